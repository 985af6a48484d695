//! `after`: who must be ready before whom. Unknown names and cycles are found before anything is started.

use std::collections::HashMap;

use super::stack::StackSpec;

/// The processes cannot be started in any order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Two processes have one name.
    #[error("there are two processes named {0:?}")]
    Twice(String),
    /// `after` names no process.
    #[error("process {process:?} comes after {after:?}, which is no process; there are {}", .known.join(", "))]
    Unknown {
        /// The process whose `after` is wrong.
        process: String,
        /// The name in it.
        after: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// Processes wait for each other.
    #[error("processes wait for each other: {}", .0.join(" after "))]
    Cycle(Vec<String>),
}

/// The indexes of `processes` (name, after) in an order in which each one comes after those it waits for; those that
/// may start at once keep the order in which they are given.
///
/// # Errors
/// When a name is there twice, is unknown, or there is a cycle; a cycle is named from its first member (in the given
/// order) back to it.
pub fn order(processes: &[(&str, &[String])]) -> Result<Vec<usize>, OrderError> {
    let mut index = HashMap::new();
    for (at, (name, _)) in processes.iter().enumerate() {
        if index.insert(*name, at).is_some() {
            return Err(OrderError::Twice((*name).to_owned()));
        }
    }
    let mut edges = Vec::with_capacity(processes.len());
    for (name, after) in processes {
        let unknown = |other: &String| OrderError::Unknown {
            process: (*name).to_owned(),
            after: other.clone(),
            known: processes.iter().map(|(name, _)| (*name).to_owned()).collect(),
        };
        edges.push(
            after
                .iter()
                .map(|other| index.get(other.as_str()).copied().ok_or_else(|| unknown(other)))
                .collect::<Result<Vec<_>, _>>()?,
        );
    }
    let mut search = Search { edges: &edges, mark: vec![Mark::New; processes.len()], path: vec![], done: vec![] };
    for start in 0..processes.len() {
        if let Err(cycle) = search.visit(start) {
            return Err(OrderError::Cycle(cycle.into_iter().map(|at| processes[at].0.to_owned()).collect()));
        }
    }
    Ok(search.done)
}

/// [`order`] of a stack's processes.
///
/// # Errors
/// As [`order`].
pub fn of_stack(spec: &StackSpec) -> Result<Vec<usize>, OrderError> {
    let processes: Vec<(&str, &[String])> =
        spec.processes.iter().map(|process| (process.name.as_str(), &process.after[..])).collect();
    order(&processes)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    OnPath,
    Done,
}

struct Search<'a> {
    edges: &'a [Vec<usize>],
    mark: Vec<Mark>,
    path: Vec<usize>,
    done: Vec<usize>,
}

impl Search<'_> {
    fn visit(&mut self, at: usize) -> Result<(), Vec<usize>> {
        match self.mark[at] {
            Mark::Done => return Ok(()),
            Mark::OnPath => {
                let first = self.path.iter().position(|on_path| *on_path == at).unwrap_or(0);
                let mut cycle = self.path[first..].to_vec();
                cycle.push(at);
                return Err(cycle);
            }
            Mark::New => {}
        }
        self.mark[at] = Mark::OnPath;
        self.path.push(at);
        for next in &self.edges[at] {
            self.visit(*next)?;
        }
        self.path.pop();
        self.mark[at] = Mark::Done;
        self.done.push(at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn ordered(text: &str) -> Result<Vec<String>, OrderError> {
        // "a b:a,c" = a; b after a and c
        let parsed: Vec<(String, Vec<String>)> = text
            .split_whitespace()
            .map(|word| match word.split_once(':') {
                Some((name, after)) => (name.to_owned(), after.split(',').map(str::to_owned).collect()),
                None => (word.to_owned(), vec![]),
            })
            .collect();
        let input: Vec<(&str, &[String])> = parsed.iter().map(|(name, after)| (name.as_str(), &after[..])).collect();
        Ok(order(&input)?.into_iter().map(|at| parsed[at].0.clone()).collect())
    }

    #[rstest]
    #[case("", "")]
    #[case("a b c", "a b c")]
    #[case("a:b b", "b a")]
    #[case("a:c b c:b", "b c a")]
    #[case("d:b,c b:a c:a a", "a b c d")]
    fn orders(#[case] input: &str, #[case] expected: &str) {
        assert_eq!(ordered(input).expect("an order").join(" "), expected);
    }

    #[rstest]
    #[case("a a", r#"there are two processes named "a""#)]
    #[case("a b:x", r#"process "b" comes after "x", which is no process; there are a, b"#)]
    #[case("a:a", "processes wait for each other: a after a")]
    #[case("x a:b b:c c:a", "processes wait for each other: a after b after c after a")]
    fn refuses(#[case] input: &str, #[case] expected: &str) {
        assert_eq!(ordered(input).expect_err("an error").to_string(), expected);
    }

    proptest! {
        #[test]
        fn an_order_has_all_and_respects_after(edges in proptest::collection::vec((0usize..8, 0usize..8), 0..20)) {
            let names: Vec<String> = (0..8).map(|n| n.to_string()).collect();
            let mut after = vec![vec![]; 8];
            for (from, to) in edges {
                after[from].push(names[to].clone());
            }
            let input: Vec<(&str, &[String])> =
                names.iter().zip(&after).map(|(name, after)| (name.as_str(), &after[..])).collect();
            match order(&input) {
                Ok(order) => {
                    prop_assert_eq!(order.len(), 8);
                    let place = |n: usize| order.iter().position(|at| *at == n).expect("all are there");
                    for (from, after) in after.iter().enumerate() {
                        for to in after {
                            prop_assert!(place(to.parse().expect("a number")) < place(from));
                        }
                    }
                }
                Err(OrderError::Cycle(cycle)) => {
                    prop_assert_eq!(cycle.first(), cycle.last());
                    for pair in cycle.windows(2) {
                        prop_assert!(after[pair[0].parse::<usize>().expect("a number")].contains(&pair[1]));
                    }
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
