use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use crate::dask::Dask;
use crate::error::{Error, RunResult};
use crate::interrupt::Interrupt;

const HEADING: &str = "Dask (--executor dask)";

/// Which Dask cluster.
#[derive(Args, Clone)]
pub(super) struct DaskArgs {
    /// The scheduler's address (tcp://…, tls://…) or file; else DASK_SCHEDULER_ADDRESS, DASK_SCHEDULER_IP, DASK_SCHEDULER_FILE or Dask's configuration name it, or a cluster is started on this machine
    #[arg(long, value_name = "ADDRESS|FILE", conflicts_with = "cluster", help_heading = HEADING)]
    scheduler: Option<String>,
    /// Start a cluster for this run: local, slurm, htcondor, pbs, lsf, sge, kubernetes, gateway, or a function of yours
    #[arg(long, value_name = "KIND|MODULE:FUNCTION", help_heading = HEADING)]
    cluster: Option<String>,
    /// What the cluster is started with, as its package names it; may repeat
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value, help_heading = HEADING)]
    cluster_option: Vec<(String, String)>,
    /// The Python that has `distributed` [default: HEP_RUN_PYTHON, or python3]
    #[arg(long, value_name = "PATH", help_heading = HEADING)]
    python: Option<OsString>,
    /// The driver has started this process, and is at its standard input and output
    #[arg(long, hide = true)]
    engine_stdio: bool,
}

impl DaskArgs {
    /// # Errors
    /// Where options of Dask are given and another executor is asked for.
    pub(super) fn for_another_executor(&self) -> RunResult<()> {
        let given = self.scheduler.is_some() || self.cluster.is_some() || !self.cluster_option.is_empty();
        if given || self.engine_stdio {
            return Err(Error::Usage(
                "--scheduler, --cluster and --cluster-option are for --executor dask".to_owned(),
            ));
        }
        Ok(())
    }

    pub(super) fn executor(
        &self,
        workers: Option<u32>,
        range_timeout: Option<Duration>,
        interrupt: Interrupt,
    ) -> Dask {
        Dask {
            scheduler: self.scheduler.clone(),
            cluster: self.cluster.clone(),
            cluster_options: self.cluster_option.iter().cloned().collect::<BTreeMap<_, _>>(),
            workers: workers.map(|workers| workers as usize),
            python: self.python.clone(),
            range_timeout,
            interrupt,
            stdio: self.engine_stdio,
        }
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}
