//! Processors that do what processors should not, at a certain entry, and what is heavy: for tests of
//! executors. They read one branch, `x`, whose value at each entry is the entry's number.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::time::Duration;

use hep_run::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Columnar)]
struct Event {
    x: i32,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Nothing,
    Panic,
    Abort,
    Exit,
    Fail,
    Hang,
    Leak,
    Print,
    Slow,
}

/// Goes wrong at entry `at`.
#[derive(Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Faulty {
    mode: Mode,
    at: i32,
    /// Goes wrong only if this file cannot be found, and makes it before: once for all processes.
    once: Option<PathBuf>,
    /// Goes wrong only where this file is.
    only_where: Option<PathBuf>,
    /// How much leaks.
    megabytes: usize,
    /// How long every batch takes besides, in milliseconds.
    delay: u64,
}

#[derive(Output)]
struct Sums {
    /// Weights that no order but one adds up to the same.
    x: Hist,
    cutflow: Cutflow,
}

impl Faulty {
    fn is_to_go_wrong(&self) -> bool {
        let first = self.once.as_ref().is_none_or(|path| std::fs::File::create_new(path).is_ok());
        first && self.only_where.as_ref().is_none_or(|path| path.exists())
    }

    fn go_wrong(&self) -> Result<()> {
        match self.mode {
            Mode::Nothing => {}
            Mode::Panic => panic!("it panics at entry {}", self.at),
            Mode::Abort => std::process::abort(),
            Mode::Exit => std::process::exit(0),
            Mode::Fail => return Err(Error::new(format!("it fails at entry {}", self.at))),
            Mode::Hang => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            Mode::Leak => {
                let memory = vec![1_u8; self.megabytes << 20];
                std::thread::sleep(Duration::from_secs(20));
                drop(memory);
            }
            Mode::Print => println!("HRW1 {}", "garbage ".repeat(1000)),
            Mode::Slow => std::thread::sleep(Duration::from_secs(3)),
        }
        Ok(())
    }
}

impl Processor for Faulty {
    type Event = Event;
    type Output = Sums;

    fn output(&self, _: &Dataset) -> Result<Sums> {
        Ok(Sums { x: Hist::new(Axis::regular(10, 0.0, 1e6)), cutflow: Cutflow::new(["all"]) })
    }

    fn process(&self, events: &Events<Event>, out: &mut Sums) -> Result<()> {
        if self.delay > 0 {
            std::thread::sleep(Duration::from_millis(self.delay));
        }
        for Event { x } in events {
            if x == self.at && self.mode != Mode::Nothing && self.is_to_go_wrong() {
                self.go_wrong()?;
            }
            let weight = 0.1 + f64::from(x) / 3.0;
            out.cutflow.pass("all", weight);
            out.x.fill(f64::from(x), weight);
        }
        Ok(())
    }
}

/// Has a large output.
#[derive(Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Heavy {
    /// How many thousand bins.
    kbins: usize,
    /// Whether each of them is filled with every batch, so that outputs are as large as their histogram.
    full: bool,
}

impl Processor for Heavy {
    type Event = Event;
    type Output = Hist;

    fn output(&self, _: &Dataset) -> Result<Hist> {
        Ok(Hist::new(Axis::regular(1000 * self.kbins.max(1), 0.0, 1e6)))
    }

    fn process(&self, events: &Events<Event>, out: &mut Hist) -> Result<()> {
        for Event { x } in events {
            out.fill(f64::from(x), 0.1 + f64::from(x) / 3.0);
        }
        if self.full {
            let bins = 1000 * self.kbins.max(1);
            let width = 1e6 / bins as f64;
            (0..bins).for_each(|bin| out.fill((bin as f64 + 0.5) * width, 1.0));
        }
        Ok(())
    }
}

/// Has a histogram of two axes with many bins, of which its events fill some.
#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Spread {
    /// The bins of either axis.
    bins: [usize; 2],
    /// How many bins are filled, all over the histogram.
    filled: u64,
}

impl Default for Spread {
    fn default() -> Self {
        Self { bins: [1000, 20_000], filled: 1 << 20 }
    }
}

impl Processor for Spread {
    type Event = Event;
    type Output = Hist2;

    fn output(&self, _: &Dataset) -> Result<Hist2> {
        Ok(Hist2::new(self.bins.map(|bins| Axis::regular(bins, 0.0, bins as f64))))
    }

    fn process(&self, events: &Events<Event>, out: &mut Hist2) -> Result<()> {
        let bins = self.bins.map(|bins| bins as u64);
        for Event { x } in events {
            let which = (x as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
            let at = which % self.filled.max(1) * (bins[0] * bins[1] / self.filled.max(1)).max(1);
            out.fill((at % bins[0]) as f64, (at / bins[0]) as f64, 0.1 + f64::from(x) / 3.0);
        }
        Ok(())
    }
}

/// Fills histograms of every kind with numbers that a script can make too, some of them outside of the axes.
#[derive(Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Weighed {
    /// Every so many entries the weight is not a number, and the next time infinite.
    odd: i32,
}

#[derive(Output)]
struct EveryKind {
    count: Count,
    one: Hist,
    two: Hist2,
    three: Hist3,
    name: Hist,
    varied: Hist2,
    four: HistN,
    sparse: HistN,
}

impl Processor for Weighed {
    type Event = Event;
    type Output = EveryKind;

    fn output(&self, _: &Dataset) -> Result<EveryKind> {
        let (x, y, z) =
            (Axis::regular(10, 0.0, 1.0), Axis::variable([0.0, 0.2, 0.5, 1.0]), Axis::integer(0, 5));
        let names = Axis::category(["a", "b", "c"]).label("which");
        Ok(EveryKind {
            count: Count::new(x.clone()),
            one: Hist::new(x.clone()),
            two: Hist2::new([x.clone(), y.clone()]),
            three: Hist3::new([x.clone(), y.clone(), z.clone()]),
            name: Hist::new(names.clone()),
            varied: Hist2::new([names.clone(), x.clone()]),
            four: HistN::new(vec![x.clone().label("x [cm]"), y.clone(), z.clone(), names.clone()])
                .with_title("four axes"),
            sparse: HistN::new(vec![Axis::regular(40, 0.0, 1.0), y, z, Axis::regular(300, -1.0, 1.5), names]),
        })
    }

    fn process(&self, events: &Events<Event>, out: &mut EveryKind) -> Result<()> {
        for Event { x: n } in events {
            let part = |step: i32| f64::from(n.wrapping_mul(step).rem_euclid(997)) / 997.0;
            let [x, y] = [37, 101].map(|step| 1.4 * part(step) - 0.2);
            let (z, weight) = (n.rem_euclid(7) - 1, 1.5 - part(59) * 2.0);
            let name = ["a", "b", "c"][n.rem_euclid(3) as usize];
            let weight = match self.odd {
                0 => weight,
                odd if n % (2 * odd) == 0 => f64::NAN,
                odd if n % odd == 0 => f64::INFINITY,
                _ => weight,
            };
            out.count.fill(x);
            out.one.fill(x, weight);
            out.two.fill(x, y, weight);
            out.three.fill(x, y, z, weight);
            out.name.fill(name, weight);
            out.varied.fill_varied(y, [weight, 1.5 * weight, -0.5 * weight]);
            let which = f64::from(n.rem_euclid(3)) + 0.5;
            out.four.fill(&[x, y, z.into(), which], weight);
            out.sparse.fill(&[x, y, z.into(), x - y, which], weight);
        }
        Ok(())
    }
}

hep_run::main!(Faulty, Heavy, Spread, Weighed);
