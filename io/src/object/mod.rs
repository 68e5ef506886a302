//! The other objects of ROOT files: graphs, efficiencies, parameters and texts, beside histograms.
//!
//! An [`Object`] is one whose content is understood; [`merge`](Object::merge) adds two as `hadd` does.

mod efficiency;
mod graph;
mod parameter;

pub use efficiency::Efficiency;
pub use graph::{Graph, GraphKind};
pub use parameter::{Parameter, Value};

use crate::Result;
use crate::hist::{self, Class, Histogram, ManyAxes};
use crate::root::{Buffer, Key, Layouts, Malformed, Parse, RootFile};

/// The bits of a `TObject` that are settings of its class: the others concern memory and references.
const SETTINGS: u32 = 0x00FF_FFEF;

/// An object of a file, understood.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Object {
    /// A histogram or profile.
    Histogram(Box<Histogram>),
    /// A `THn` or `THnSparse`.
    ManyAxes(Box<ManyAxes>),
    /// A `TEfficiency`.
    Efficiency(Box<Efficiency>),
    /// A `TGraph`, with or without errors, or a `TGraph2D`.
    Graph(Box<Graph>),
    /// A `TParameter`.
    Parameter(Parameter),
    /// A `TObjString`, or a `TNamed` with its title.
    Text(String),
}

/// Which class is read how.
enum Kind {
    Histogram(Class),
    ManyAxes,
    Efficiency,
    Graph(GraphKind),
    Parameter,
    String,
    Named,
}

impl Kind {
    fn of(class: &str) -> Option<Self> {
        Some(match class {
            "TEfficiency" => Self::Efficiency,
            "TObjString" => Self::String,
            "TNamed" => Self::Named,
            _ if ManyAxes::parse(class).is_some() => Self::ManyAxes,
            _ if Value::zero(class).is_some() => Self::Parameter,
            _ => match (Class::parse(class), GraphKind::parse(class)) {
                (Some(histogram), _) => Self::Histogram(histogram),
                (_, Some(graph)) => Self::Graph(graph),
                _ => return None,
            },
        })
    }
}

impl Object {
    /// The object that `key` names; none where its class is not known here.
    ///
    /// # Errors
    /// Where it is of no version that we know, or its bytes are damaged.
    pub fn read(file: &RootFile, key: &Key) -> Result<Option<Self>> {
        let Some(kind) = Kind::of(&key.class_name) else { return Ok(None) };
        if let Kind::Histogram(_) = kind {
            return Ok(Some(Self::Histogram(Box::new(hist::read(file, key)?))));
        }
        if let Kind::ManyAxes = kind {
            return Ok(Some(Self::ManyAxes(Box::new(hist::read_many(file, key)?))));
        }
        let object = file.object(key)?;
        let what = || format!("{} `{}`", key.class_name, key.name);
        decode(&mut object.buffer(), &kind, key, Layouts::of(file))
            .map(Some)
            .map_err(|wrong| wrong.within(file.path(), what(), key.seek))
    }

    /// Whether objects of this class add up. `hadd` keeps all of the others.
    pub fn merges(class: &str) -> bool {
        match Kind::of(class) {
            None | Some(Kind::String | Kind::Named | Kind::Graph(GraphKind::Surface)) => false,
            Some(
                Kind::Histogram(_) | Kind::ManyAxes | Kind::Efficiency | Kind::Graph(_) | Kind::Parameter,
            ) => true,
        }
    }

    /// Whether `hadd` would add objects of this class, or of one that `file` says it is made from, though
    /// they are not understood here. What it does not add, it keeps all of.
    pub fn merges_elsewhere(file: &RootFile, class: &str) -> bool {
        const BASES: [&str; 20] = [
            "THnBase",
            "THnSparse",
            "THn",
            "THStack",
            "TH2Poly",
            "TProfile2Poly",
            "TH1",
            "TH2",
            "TH3",
            "TList",
            "THashList",
            "TObjArray",
            "TOrdCollection",
            "TSortedList",
            "TClonesArray",
            "TRefArray",
            "TPolyLine",
            "TPolyMarker",
            "TStatistic",
            "TEntryList",
        ];
        let ancestry = match file.streamers() {
            Ok(streamers) => streamers.ancestry(class),
            Err(_) => vec![class.to_owned()],
        };
        let unknown = |class: &str| {
            let template = class.starts_with("THnSparseT<") || class.starts_with("THnT<");
            template || BASES.contains(&class) || Self::merges(class)
        };
        Kind::of(class).is_none() && ancestry.iter().any(|class| unknown(class))
    }

    /// Adds `other`, as `hadd` does: bins add up, points are appended, parameters follow their merge mode.
    ///
    /// # Errors
    /// What differs, as ``axis 0 has 60 bins in A and 50 bins in B``; `self` is then as it was.
    pub fn merge(&mut self, other: &Self) -> Result<(), String> {
        match (self, other) {
            (Self::Histogram(into), Self::Histogram(other)) => hist::merge(into, other),
            (Self::ManyAxes(into), Self::ManyAxes(other)) => into.merge(other),
            (Self::Efficiency(into), Self::Efficiency(other)) => into.merge(other),
            (Self::Graph(into), Self::Graph(other)) => into.merge(other),
            (Self::Parameter(into), Self::Parameter(other)) => into.merge(other),
            (into, other) => Err(format!("is a {} in A and a {} in B", into.class(), other.class())),
        }
    }

    /// Its class; a text is a `TObjString`.
    pub fn class(&self) -> String {
        match self {
            Self::Histogram(histogram) => histogram.class.name(),
            Self::ManyAxes(histogram) => histogram.class(),
            Self::Efficiency(_) => "TEfficiency".to_owned(),
            Self::Graph(graph) => graph.kind.class().to_owned(),
            Self::Parameter(parameter) => parameter.class.clone(),
            Self::Text(_) => "TObjString".to_owned(),
        }
    }

    /// How many fits and boxes of a plot come with it: those are not kept.
    pub fn functions(&self) -> usize {
        match self {
            Self::Histogram(histogram) => histogram.drawing.functions,
            Self::Efficiency(efficiency) => efficiency.functions,
            Self::Graph(graph) => graph.functions,
            Self::ManyAxes(_) | Self::Parameter(_) | Self::Text(_) => 0,
        }
    }
}

fn decode(buffer: &mut Buffer<'_>, kind: &Kind, key: &Key, layouts: Layouts<'_>) -> Parse<Object> {
    Ok(match *kind {
        Kind::Histogram(class) => Object::Histogram(Box::new(hist::decode(buffer, class, layouts)?)),
        Kind::ManyAxes => return Err(Malformed::new(buffer.position(), "a histogram of many axes")),
        Kind::Efficiency => Object::Efficiency(Box::new(efficiency::read(buffer, layouts)?)),
        Kind::Graph(kind) => Object::Graph(Box::new(graph::read(buffer, kind, layouts)?)),
        Kind::Parameter => Object::Parameter(parameter::read(buffer, &key.class_name, layouts)?),
        Kind::String => {
            layouts.version(buffer, "TObjString", 1..=1, &["TObject", "fString"])?;
            buffer.tobject()?;
            Object::Text(buffer.tstring()?)
        }
        Kind::Named => Object::Text(buffer.tnamed_bits()?.2),
    })
}
