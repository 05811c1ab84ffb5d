//! Word lists for the generated data. Every person, company and domain is invented; domains end in
//! `.example`, which is reserved and doesn't resolve.

use super::deal::Outcome;

pub(crate) const FIRST: &[&str] = &[
    "Adrian", "Aisha", "Alicia", "Amara", "Anders", "Anita", "Beatriz", "Bianca", "Callum", "Carmen", "Cedric", "Chloe",
    "Dario", "Deepa", "Dmitri", "Elena", "Elif", "Emeka", "Esther", "Farah", "Felix", "Fiona", "Gabriel", "Grace", "Hana",
    "Harold", "Hugo", "Ingrid", "Isaac", "Ivy", "Jamal", "Joana", "Jonas", "Kamila", "Karim", "Keiko", "Laura", "Leon",
    "Lucia", "Magnus", "Maya", "Miriam", "Nadia", "Nikhil", "Noah", "Olga", "Omar", "Paula", "Priya", "Quentin", "Rafael",
    "Renée", "Rosa", "Samir", "Sofia", "Søren", "Tara", "Tomás", "Uma", "Valentin", "Vera", "Wei", "Xenia", "Yusuf", "Zoë",
];

pub(crate) const LAST: &[&str] = &[
    "Abbott", "Adeyemi", "Almeida", "Andersen", "Baptiste", "Barros", "Becker", "Bergström", "Bianchi", "Brennan",
    "Calloway", "Castillo", "Chaudhry", "Connelly", "Costa", "Dahl", "Delgado", "Dubois", "Eklund", "Falk", "Ferreira",
    "Fontaine", "Galloway", "Garner", "Haddad", "Hartmann", "Hughes", "Ibarra", "Iversen", "Jensen", "Joshi", "Kaplan",
    "Keller", "Kowalski", "Kruger", "Lambert", "Larsen", "Lindqvist", "Lopes", "Marchetti", "Mbeki", "Mensah", "Moreau",
    "Nakamura", "Navarro", "Novak", "O'Leary", "Okafor", "Olsen", "Park", "Petrov", "Quinn", "Rahman", "Reyes", "Rossi",
    "Sato", "Schreiber", "Silva", "Sorensen", "Tanaka", "Thorne", "Ulrich", "Vance", "Vargas", "Weiss", "Whitfield",
    "Yamada", "Yilmaz", "Zielinski", "Zuniga",
];

pub(crate) const TITLE: &[&str] = &[
    "VP Engineering", "VP of Sales", "Chief Technology Officer", "Chief Financial Officer", "Head of Growth",
    "Director of Marketing", "Director of Operations", "Sales Operations Manager", "Revenue Operations Lead",
    "Marketing Manager", "Product Manager", "Senior Product Manager", "Engineering Manager", "Data Engineer",
    "IT Director", "Procurement Manager", "Customer Success Manager", "Account Executive", "Founder", "Managing Director",
    "Head of People", "Supply Chain Manager", "Security Architect", "Business Development Manager",
];

pub(crate) const COMPANY_HEAD: &[&str] = &[
    "Alder", "Amberline", "Anchor", "Basalt", "Beacon", "Birch", "Bluefin", "Bramble", "Brightwater", "Cedar", "Cinder",
    "Cobalt", "Copperfield", "Coral", "Crestline", "Driftwood", "Eastgate", "Elmbrook", "Ember", "Fallow", "Fernhill",
    "Flint", "Foxglove", "Glasswing", "Granite", "Greywater", "Halcyon", "Harbourside", "Hazel", "Heron", "Highmoor",
    "Ironbark", "Juniper", "Kestrel", "Lantern", "Larkspur", "Longmeadow", "Maplewood", "Marigold", "Meridian", "Millrace",
    "Northfield", "Oakhaven", "Osprey", "Pinecrest", "Quarry", "Redwillow", "Ridgeback", "Saltmarsh", "Silverbirch",
    "Slate", "Stonebridge", "Summerhill", "Tallow", "Thistle", "Umber", "Valecrest", "Westerly", "Wildrose", "Yarrow",
];

/// For companies that only Apollo's database has.
pub(crate) const DATABASE_TAIL: &[&str] = &[
    "Brothers", "Collective", "Group", "Holdings", "Industries", "International", "Partners", "Ventures",
];

pub(crate) const COMPANY_TAIL: &[&str] = &[
    "Analytics", "Biotech", "Capital", "Components", "Dental", "Dynamics", "Energy", "Foods", "Freight", "Health",
    "Hospitality", "Instruments", "Insurance", "Labs", "Learning", "Logistics", "Media", "Networks", "Packaging",
    "Payments", "Robotics", "Security", "Software", "Systems", "Telecom", "Textiles", "Travel", "Works",
];

/// City, state, country, time zone, postal code.
pub(crate) const PLACE: &[[&str; 5]] = &[
    ["San Francisco", "California", "United States", "America/Los_Angeles", "94105"],
    ["Austin", "Texas", "United States", "America/Chicago", "78701"],
    ["Denver", "Colorado", "United States", "America/Denver", "80202"],
    ["Boston", "Massachusetts", "United States", "America/New_York", "02110"],
    ["Atlanta", "Georgia", "United States", "America/New_York", "30303"],
    ["Toronto", "Ontario", "Canada", "America/Toronto", "M5H 2N2"],
    ["Dublin", "Leinster", "Ireland", "Europe/Dublin", "D02 X285"],
    ["London", "England", "United Kingdom", "Europe/London", "EC2A 4NE"],
    ["Manchester", "England", "United Kingdom", "Europe/London", "M1 4BT"],
    ["Berlin", "Berlin", "Germany", "Europe/Berlin", "10117"],
    ["Munich", "Bavaria", "Germany", "Europe/Berlin", "80331"],
    ["Paris", "Île-de-France", "France", "Europe/Paris", "75002"],
    ["Lisbon", "Lisbon", "Portugal", "Europe/Lisbon", "1100-148"],
    ["Stockholm", "Stockholm County", "Sweden", "Europe/Stockholm", "111 22"],
    ["Singapore", "Singapore", "Singapore", "Asia/Singapore", "048616"],
    ["Sydney", "New South Wales", "Australia", "Australia/Sydney", "2000"],
];

pub(crate) const STREET: &[&str] = &[
    "Pine Street", "Harbour Road", "Mission Street", "King Street", "Mill Lane", "Station Road", "Market Square",
    "Canal Street", "Orchard Way", "Foundry Yard",
];

pub(crate) const SEQUENCE: &[&str] = &[
    "Q3 outbound – VP Engineering", "Q3 outbound – RevOps leaders", "Inbound demo follow-up", "Trade show – booth visitors",
    "Cold open: logistics DACH", "Renewal check-in 60 days", "Closed-lost win-back", "Webinar no-shows",
    "Product launch – existing customers", "Referral ask – champions", "Job change congratulations",
    "Free trial day 3 nudge", "Nordics mid-market outbound", "CFO pain: manual reporting", "Event invite – spring roadshow",
    "Security buyers – compliance angle", "Agency partners recruitment", "Dormant accounts re-engage",
];

pub(crate) const SUBJECT: &[&str] = &[
    "Quick question about {{company}}", "Idea for {{first_name}}", "Following up", "Worth 15 minutes?",
    "Closing the loop", "How others in {{industry}} do it",
];

pub(crate) const LABEL: &[&str] = &[
    "Conference 2025 – Lisbon", "Webinar attendees", "Champions", "Newsletter", "Strategic accounts", "Partner referrals",
];

/// Name and category of a new workspace's stages.
pub(crate) const CONTACT_STAGE: &[(&str, Option<&str>)] = &[
    ("Cold", Some("in_progress")),
    ("Approaching", Some("in_progress")),
    ("Replied", Some("in_progress")),
    ("Interested", Some("succeeded")),
    ("Not Interested", Some("failed")),
    ("Unresponsive", Some("failed")),
    ("Do Not Contact", Some("failed")),
    ("Bad Data", None),
    ("Changed Job", None),
];

/// Name, forecast, probability in percent and outcome of a new workspace's stages of deals.
pub(crate) const DEAL_STAGE: &[(&str, &str, i64, Outcome)] = &[
    ("Qualify", "Pipeline", 10, Outcome::Open),
    ("Meet & Present", "Pipeline", 25, Outcome::Open),
    ("Propose", "Pipeline", 50, Outcome::Open),
    ("Negotiate", "Pipeline", 75, Outcome::Open),
    ("Closed Won", "Closed", 100, Outcome::Won),
    ("Closed Lost", "Omitted", 0, Outcome::Lost),
];

/// What deals are about.
pub(crate) const DEAL: &[&str] = &[
    "pilot", "renewal", "expansion to the second plant", "annual licence", "roll-out", "new seats", "migration",
    "framework agreement", "support contract",
];

pub(crate) const ACCOUNT_STAGE: &[(&str, Option<&str>)] = &[
    ("Cold", Some("in_progress")),
    ("Current Client", Some("succeeded")),
    ("Active Opportunity", Some("in_progress")),
    ("Dead Opportunity", Some("failed")),
    ("Do Not Prospect", Some("failed")),
];
