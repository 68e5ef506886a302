//! Which task merges what, where ranges and merges are tasks of an engine.

use crate::merge_tree::{Node, Shape};

/// Something that comes to a partial output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// A range, by its number.
    Range(u32),
    /// A merge, by its number.
    Merge(u32),
}

/// What is to be merged to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Merge {
    /// At least one.
    pub inputs: Vec<Task>,
    /// The dataset they are all of, if it is one.
    pub dataset: Option<u32>,
}

/// Merges of at most `fan_in` inputs that reduce every range, each after those it needs; the last comes to
/// the whole. None if there are no ranges.
///
/// A merge is of all that is below one place of the merge tree, so that one output comes of it: what it
/// takes from its inputs is as large as they are together, and what it gives as large as one of them.
pub(crate) fn merges(shape: &Shape, fan_in: usize) -> Vec<Merge> {
    let mut graph = Graph { shape, fan_in: fan_in.max(2), merges: Vec::new(), next: 0 };
    let mut roots = Vec::new();
    for dataset in 0..shape.datasets() as u32 {
        if let Some(root) = shape.root(dataset) {
            let inputs = graph.inputs(root);
            roots.push(graph.close(inputs, Some(dataset)));
        }
    }
    while roots.len() > graph.fan_in {
        let groups: Vec<Vec<Task>> = roots.chunks(graph.fan_in).map(<[Task]>::to_vec).collect();
        roots = groups.into_iter().map(|inputs| graph.close(inputs, None)).collect();
    }
    // What comes last is always a merge, so that an engine has one task to hold.
    if let [Task::Range(_)] | [_, _, ..] = roots[..] {
        graph.merges.push(Merge { inputs: roots, dataset: None });
    }
    graph.merges
}

struct Graph<'a> {
    shape: &'a Shape,
    fan_in: usize,
    merges: Vec<Merge>,
    /// The next range.
    next: u32,
}

impl Graph<'_> {
    /// What is below a place, as few tasks as `fan_in` allows.
    fn inputs(&mut self, node: Node) -> Vec<Task> {
        let children = self.shape.children(node);
        if children.is_empty() {
            // Places are visited in the order of the ranges.
            self.next += 1;
            return vec![Task::Range(self.next - 1)];
        }
        let mut parts: Vec<Vec<Task>> = children.into_iter().map(|child| self.inputs(child)).collect();
        while parts.iter().map(Vec::len).sum::<usize>() > self.fan_in {
            // The larger one leaves more room above.
            let Some(largest) = (0..parts.len()).max_by_key(|&at| parts[at].len()) else { break };
            let inputs = std::mem::take(&mut parts[largest]);
            parts[largest] = vec![self.close(inputs, Some(node.dataset))];
        }
        parts.concat()
    }

    fn close(&mut self, inputs: Vec<Task>, dataset: Option<u32>) -> Task {
        if let [one] = inputs[..] {
            return one;
        }
        self.merges.push(Merge { inputs, dataset });
        Task::Merge(self.merges.len() as u32 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(datasets: &[&[u32]]) -> Shape {
        let files = datasets.iter().map(|files| files.to_vec()).collect();
        let ranges = (0..).zip(datasets).flat_map(|(dataset, files)| {
            (0..).zip(*files).flat_map(move |(file, &n)| vec![(dataset, file); n as usize])
        });
        Shape::new(files, ranges)
    }

    /// The ranges below a task, checking on the way that each merge is of what came before it.
    fn below(merges: &[Merge], task: Task, at: usize) -> Vec<u32> {
        match task {
            Task::Range(range) => vec![range],
            Task::Merge(k) => {
                assert!((k as usize) < at);
                merges[k as usize].inputs.iter().flat_map(|&input| below(merges, input, k as usize)).collect()
            }
        }
    }

    #[test]
    fn every_range_is_below_the_last_merge_once() {
        for files in [&[1_u32][..], &[5], &[1000], &[1; 300], &[3, 0, 40, 1, 0, 7], &[2; 33]] {
            for datasets in [1, 2, 40] {
                let shape = shape(&vec![files; datasets]);
                for fan_in in [2, 3, 16] {
                    let merges = merges(&shape, fan_in);
                    assert!(merges.iter().all(|merge| merge.inputs.len() <= fan_in));
                    let last = Task::Merge(merges.len() as u32 - 1);
                    let all: Vec<u32> = (0..shape.ranges() as u32).collect();
                    assert_eq!(below(&merges, last, merges.len()), all);
                }
            }
        }
        assert_eq!(merges(&shape(&[&[0, 0]]), 16), []);
    }

    #[test]
    fn there_are_few_merges() {
        assert!(merges(&shape(&[&[10_000]]), 16).len() < 1400);
        assert!(merges(&shape(&[&[2; 5000]]), 16).len() < 1400);
    }
}
