//! Shares the workers out among applications, so that hanging endpoints of one application don't
//! take all of them.
//!
//! An attempt can't be interrupted for another application, so some slots must always be free. The
//! rule is a dynamic threshold (Choudhury and Hahne, for buffers that many queues share): an
//! application takes one more slot while it holds fewer than are free. However many of its
//! endpoints hang, one application leaves half of the slots free, and each of ten holds as many as
//! are left for the next one. An endpoint whose last attempt failed counts twice.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use syncline_store::DueEndpoint;

/// How many slots each application holds in this process. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct WorkerSlots(Arc<Mutex<HashMap<String, usize>>>);

/// A slot that is held until this is dropped.
pub(crate) struct WorkerSlot {
    slots: WorkerSlots,
    application_id: String,
}

impl WorkerSlots {
    /// A slot for one of the application's endpoints, if the application may have one more of
    /// those that are free.
    pub(crate) fn take(&self, endpoint: &DueEndpoint, free: usize) -> Option<WorkerSlot> {
        let mut held = self.held();
        let holds = held.get(&endpoint.application_id).copied();
        let weight = if endpoint.failing { 2 } else { 1 };
        if holds.unwrap_or_default() * weight >= free {
            return None;
        }
        *held.entry(endpoint.application_id.clone()).or_default() += 1;
        Some(WorkerSlot {
            slots: self.clone(),
            application_id: endpoint.application_id.clone(),
        })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0
            .lock()
            .expect("no code panics while it holds the slots")
    }
}

impl Drop for WorkerSlot {
    fn drop(&mut self) {
        let mut held = self.slots.held();
        match held.get_mut(&self.application_id) {
            Some(holds) if *holds > 1 => *holds -= 1,
            _ => {
                held.remove(&self.application_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes as many of the free slots as the application gets.
    fn take_all(
        slots: &WorkerSlots,
        free: &mut usize,
        application: &str,
        failing: bool,
    ) -> Vec<WorkerSlot> {
        let endpoint = DueEndpoint {
            id: "an endpoint".to_owned(),
            application_id: application.to_owned(),
            failing,
        };
        let mut taken = Vec::new();
        while *free > 0 {
            let Some(slot) = slots.take(&endpoint, *free) else {
                break;
            };
            taken.push(slot);
            *free -= 1;
        }
        taken
    }

    #[test]
    fn one_application_leaves_half_of_the_places_and_a_third_of_them_where_its_endpoints_fail() {
        for (failing, takes) in [(false, 128), (true, 86)] {
            let (slots, mut free) = (WorkerSlots::default(), 256);
            let taken = take_all(&slots, &mut free, "a", failing);
            assert_eq!(taken.len(), takes);
        }
    }

    #[test]
    fn applications_that_take_what_they_can_end_with_the_same_share() {
        let (slots, mut free) = (WorkerSlots::default(), 256);
        let mut taken: HashMap<&str, Vec<WorkerSlot>> = HashMap::new();
        for application in ["a", "b", "c"].into_iter().cycle().take(300) {
            // One attempt of each application ends, and then it takes as many slots as it gets.
            let held = taken.entry(application).or_default();
            free += usize::from(held.pop().is_some());
            held.extend(take_all(&slots, &mut free, application, false));
        }
        let shares: Vec<usize> = taken.values().map(Vec::len).collect();
        assert!(
            shares.iter().all(|share| (60..=68).contains(share)),
            "{shares:?}"
        );
        assert!(free >= 60, "{free} are left for the next application");
    }

    #[test]
    fn a_single_place_goes_to_whoever_comes_and_is_given_back() {
        let (slots, mut free) = (WorkerSlots::default(), 1);
        drop(take_all(&slots, &mut free, "a", true));
        let mut free = 1;
        assert_eq!(take_all(&slots, &mut free, "b", false).len(), 1);
        assert_eq!(
            slots.held().len(),
            0,
            "nothing is kept of who holds nothing"
        );
    }
}
