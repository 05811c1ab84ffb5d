"""What Python's standardwebhooks says of the cases that collect.py has written.

    verify.py FILE
"""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

with open(sys.argv[1]) as file:
    cases = json.load(file)
for case in cases:
    try:
        Webhook(case["secret"]).verify(case["body"], case["headers"])
        genuine = True
    except WebhookVerificationError:
        genuine = False
    if genuine != case["genuine"]:
        sys.exit(f"standardwebhooks (PyPI): {case['name']}: genuine is {genuine}")
print(f"standardwebhooks (PyPI): {len(cases)} cases as they must be")
