//! Steps of launch and teardown as a graph: what may run at once.

use std::collections::{HashMap, HashSet};

/// A step and the steps that must be done before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name, unique in the plan; shown in progress and written to the journal.
    pub name: String,
    /// Names of the steps that come before it.
    pub after: Vec<String>,
}

/// A checked graph of steps: names are unique, every `after` is there, there is no cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    steps: Vec<Step>,
}

/// A list of steps that is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two steps have the same name.
    #[error("two steps are called `{0}`")]
    Duplicate(String),
    /// A step comes after one that is not there.
    #[error("`{step}` comes after `{after}`, which does not exist")]
    Unknown {
        /// The step.
        step: String,
        /// What it names.
        after: String,
    },
    /// Steps wait for each other.
    #[error("these wait for each other: {}", .0.join(" → "))]
    Cycle(Vec<String>),
}

impl Step {
    /// The step `name`, after `after`.
    pub fn new(name: impl Into<String>, after: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { name: name.into(), after: after.into_iter().map(Into::into).collect() }
    }
}

impl Plan {
    /// Checks `steps`.
    ///
    /// # Errors
    /// When a name is there twice, an `after` is unknown, or steps wait for each other.
    pub fn new(steps: Vec<Step>) -> Result<Self, PlanError> {
        let mut known: HashMap<&str, &Step> = HashMap::new();
        for step in &steps {
            if known.insert(&step.name, step).is_some() {
                return Err(PlanError::Duplicate(step.name.clone()));
            }
        }
        for step in &steps {
            if let Some(after) = step.after.iter().find(|after| !known.contains_key(after.as_str())) {
                return Err(PlanError::Unknown { step: step.name.clone(), after: after.clone() });
            }
        }
        let mut done: HashSet<&str> = HashSet::new();
        loop {
            let before = done.len();
            for step in &steps {
                if step.after.iter().all(|after| done.contains(after.as_str())) {
                    done.insert(&step.name);
                }
            }
            if done.len() == steps.len() {
                return Ok(Self { steps });
            }
            if done.len() == before {
                return Err(PlanError::Cycle(cycle(&known, &done)));
            }
        }
    }

    /// The steps in the order in which they were given.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The steps that may be started now: not in `started`, and all that come before them in `done`.
    pub fn ready<'a>(
        &'a self,
        started: &'a HashSet<String>,
        done: &'a HashSet<String>,
    ) -> impl Iterator<Item = &'a Step> {
        self.steps
            .iter()
            .filter(|step| !started.contains(&step.name) && step.after.iter().all(|name| done.contains(name)))
    }
}

/// One cycle among the steps that can never be done: from any of them, following what it waits for, until a name
/// comes back.
fn cycle(known: &HashMap<&str, &Step>, done: &HashSet<&str>) -> Vec<String> {
    let mut at = known.keys().filter(|name| !done.contains(*name)).min().copied().unwrap_or_default();
    let mut path: Vec<&str> = Vec::new();
    while !path.contains(&at) {
        path.push(at);
        let waits = known.get(at).and_then(|step| step.after.iter().find(|after| !done.contains(after.as_str())));
        at = waits.map_or(at, String::as_str);
    }
    let start = path.iter().position(|name| *name == at).unwrap_or(0);
    path[start..].iter().chain(std::iter::once(&at)).map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn steps(text: &str) -> Vec<Step> {
        text.split(' ')
            .map(|part| {
                let (name, after) = part.split_once(':').unwrap_or((part, ""));
                Step::new(name, after.split(',').filter(|after| !after.is_empty()))
            })
            .collect()
    }

    #[rstest]
    #[case("a b:a c:a,b", None)]
    #[case("c:a,b b:a a", None)]
    #[case("a a", Some(PlanError::Duplicate("a".to_owned())))]
    #[case("a:b", Some(PlanError::Unknown { step: "a".to_owned(), after: "b".to_owned() }))]
    #[case("a:a", Some(PlanError::Cycle(vec!["a".to_owned(), "a".to_owned()])))]
    #[case("r a:c b:a,r c:b d:c", Some(PlanError::Cycle(["a", "c", "b", "a"].map(str::to_owned).to_vec())))]
    fn only_graphs_without_cycles_are_plans(#[case] text: &str, #[case] error: Option<PlanError>) {
        assert_eq!(Plan::new(steps(text)).err(), error);
    }

    proptest! {
        /// Edges from later to earlier steps only: always a plan, and running what is ready does everything once,
        /// each after what it waits for.
        #[test]
        fn what_is_ready_leads_to_the_end(edges in prop::collection::vec((0usize..12, 0usize..12), 0..40)) {
            let mut list: Vec<Step> = (0..12).map(|number| Step::new(number.to_string(), Vec::<String>::new())).collect();
            for (left, right) in edges {
                if left != right {
                    list[left.max(right)].after.push(left.min(right).to_string());
                }
            }
            list.reverse();
            let plan = Plan::new(list).expect("a plan");
            let (mut started, mut done) = (HashSet::new(), HashSet::new());
            while done.len() < 12 {
                let next: Vec<Step> = plan.ready(&started, &done).cloned().collect();
                prop_assert!(!next.is_empty());
                for step in next {
                    prop_assert!(step.after.iter().all(|after| done.contains(after)));
                    started.insert(step.name);
                }
                done.clone_from(&started);
            }
            prop_assert_eq!(plan.ready(&started, &done).count(), 0);
        }
    }
}
