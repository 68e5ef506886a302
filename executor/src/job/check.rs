//! What must be true of a job, whoever made it. A worker trusts a job with what is in the result: entries in no range
//! would be missing in a result that calls itself complete, entries in two ranges would count twice.

use super::Job;

impl Job {
    /// Makes sure that the job's parts are of each other.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the job.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_datasets()?;
        self.check_ranges()
    }

    /// That the ledger is of the datasets and their files, and of nothing else.
    fn check_datasets(&self) -> Result<(), String> {
        let Self { datasets, ledger, chosen, .. } = self;
        if ledger.processor != self.processor {
            return Err(format!("its ledger is of processor `{}`", ledger.processor));
        }
        ledger.check_total()?;
        if ledger.datasets.len() != datasets.len() {
            return Err("its ledger is not of its datasets".to_owned());
        }
        for (dataset, account) in datasets.iter().zip(&ledger.datasets) {
            let same_files = || {
                let names = dataset.files.iter().map(|file| file.name());
                names.eq(account.files.iter().map(|file| file.path.as_str()))
            };
            if dataset.name != account.name || !same_files() {
                return Err(format!("its ledger is not of the files of dataset `{}`", dataset.name));
            }
            for (file, account) in dataset.files.iter().zip(&account.files) {
                let is_opened = !account.uuid.is_empty();
                let known = (file.uuid.as_ref(), file.tree.as_ref(), file.entries);
                if is_opened && known != (Some(&account.uuid), Some(&account.tree), account.entries) {
                    return Err(format!("its ledger is of another {} than its dataset", account.path));
                }
            }
        }
        let mut names: Vec<&str> = datasets.iter().map(|dataset| dataset.name.as_str()).collect();
        names.sort_unstable();
        if let Some(two) = names.windows(2).find(|two| two[0] == two[1]) {
            return Err(format!("two of its datasets are called `{}`", two[0]));
        }
        let sorted = chosen.is_sorted_by(|one, next| one < next);
        if !sorted || chosen.last().is_some_and(|&last| last >= datasets.len()) {
            return Err("the datasets that are processed are not among its datasets".to_owned());
        }
        Ok(())
    }

    /// That its ranges, with what failed or was skipped when it was planned, are all entries of each file, each once.
    fn check_ranges(&self) -> Result<(), String> {
        if u32::try_from(self.ranges.len()).is_err() {
            return Err("it has too many ranges".to_owned());
        }
        if !self.ranges.is_sorted_by(|one, next| (one.0, one.2) <= (next.0, next.1)) {
            return Err("its ranges are out of order, or overlap".to_owned());
        }
        let mut left = self.ranges.as_slice();
        let files = self.ledger.datasets.iter().enumerate();
        let files = files.flat_map(|(at, dataset)| dataset.files.iter().map(move |file| (at, file)));
        for (number, (dataset, file)) in files.enumerate() {
            let (own, others) = left.split_at(left.partition_point(|range| range.0 as usize <= number));
            left = others;
            if !own.is_empty() && self.chosen.binary_search(&dataset).is_err() {
                return Err(format!("{} has ranges, but its dataset is not processed", file.path));
            }
            if !file.done.is_empty() {
                return Err(format!("its ledger says that entries of {} are done already", file.path));
            }
            file.check(own.iter().map(|&(_, start, end)| (start, end)))?;
        }
        if let Some((file, ..)) = left.first() {
            return Err(format!("it has a range of file {file}, but not so many files"));
        }
        let is_joined = |at: &u32| {
            let before = at.checked_sub(1).and_then(|before| self.ranges.get(before as usize));
            before.zip(self.ranges.get(*at as usize)).is_some_and(|(before, range)| before.0 == range.0)
        };
        if !self.joined.is_sorted_by(|one, next| one < next) || !self.joined.iter().all(is_joined) {
            return Err("ranges are joined that are not of one file".to_owned());
        }
        Ok(())
    }
}
