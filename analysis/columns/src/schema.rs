use arrow_schema::DataType;

use crate::ColumnError;
use crate::error::describe;

/// What one value of a column is, under its lists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A number or bool of exactly this Arrow type, or one that widens to it without loss.
    Number(DataType),
    /// A fixed number of values.
    Fixed(Box<Kind>, usize),
    /// A string, or bytes.
    String,
}

impl Kind {
    fn describe(&self) -> String {
        match self {
            Self::Number(number) => describe(number),
            Self::Fixed(kind, n) => format!("{}[{n}]", kind.describe()),
            Self::String => "string".to_owned(),
        }
    }

    fn accepts(&self, found: &DataType) -> bool {
        match (self, found) {
            (Self::Number(wanted), found) => widens(found, wanted),
            (Self::Fixed(kind, n), DataType::FixedSizeList(item, m)) => {
                usize::try_from(*m) == Ok(*n) && kind.accepts(item.data_type())
            }
            (Self::String, DataType::Binary) => true,
            _ => false,
        }
    }
}

/// Whether every value of `from` is exactly a value of `to`.
pub(crate) fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{Boolean, Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    from == to
        || match to {
            Int16 => matches!(from, Int8 | UInt8 | Boolean),
            Int32 => matches!(from, Int8 | Int16 | UInt8 | UInt16 | Boolean),
            Int64 => matches!(from, Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32 | Boolean),
            UInt8 | Int8 => matches!(from, Boolean),
            UInt16 => matches!(from, UInt8 | Boolean),
            UInt32 => matches!(from, UInt8 | UInt16 | Boolean),
            UInt64 => matches!(from, UInt8 | UInt16 | UInt32 | Boolean),
            Float32 => matches!(from, Int8 | Int16 | UInt8 | UInt16 | Boolean),
            Float64 => matches!(from, Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32 | Float32 | Boolean),
            _ => false,
        }
}

/// One column a processor reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The column's full name, `Muon_pt`.
    pub name: String,
    /// How many lists are around a value: 0 for a number per event, 1 for one per muon.
    pub depth: usize,
    /// What a value is.
    pub kind: Kind,
    /// Whether the file may lack it.
    pub optional: bool,
    /// Whether every file may lack it. Otherwise an optional column that no file of a fileset has is taken for a
    /// misspelt one.
    pub may_be_absent: bool,
    /// Whether the processor says in which unit the file has it.
    pub unit_given: bool,
}

impl Requirement {
    /// Refuses a column whose name says that it holds MeV, where the processor does not say so itself: every
    /// formula of the framework takes GeV. ATLAS's xAOD formats (DAOD, PHYSLITE) store all energies in MeV; their
    /// columns are called `<container>Aux.<variable>` and `<container>AuxDyn.<variable>`.
    ///
    /// # Errors
    /// [`ColumnError::Unit`] for such a column.
    pub fn check_unit(&self) -> Result<(), ColumnError> {
        const ENERGIES: [&str; 9] = ["pt", "m", "e", "px", "py", "pz", "mpx", "mpy", "sumet"];
        let is_mev = self.name.rsplit_once('.').is_some_and(|(container, variable)| {
            (container.ends_with("Aux") || container.ends_with("AuxDyn")) && ENERGIES.contains(&variable)
        });
        match is_mev && !self.unit_given {
            true => Err(ColumnError::Unit { name: self.name.clone() }),
            false => Ok(()),
        }
    }

    /// Whether a file's column of type `found` can be read as this.
    ///
    /// # Errors
    /// [`ColumnError::Type`] where it cannot.
    pub fn check(&self, found: &DataType) -> Result<(), ColumnError> {
        let mut inner = found;
        let mut depth = 0;
        while depth < self.depth {
            let DataType::List(item) = inner else { break };
            inner = item.data_type();
            depth += 1;
        }
        if depth == self.depth && self.kind.accepts(inner) {
            return Ok(());
        }
        let lists = "a list of ".repeat(self.depth);
        Err(ColumnError::Type {
            name: self.name.clone(),
            found: describe(found),
            wanted: format!("{lists}{}", self.kind.describe()),
        })
    }
}

/// The columns a processor reads, collected from its event struct before any file is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    requirements: Vec<Requirement>,
    depth: usize,
    optional: bool,
    may_be_absent: bool,
    unit_given: bool,
}

impl Schema {
    /// Adds a column that holds a `kind` per entry, or per object inside [`Schema::list`].
    pub fn push(&mut self, name: &str, kind: Kind) {
        if let Some(known) = self.requirements.iter_mut().find(|known| known.name == name) {
            known.optional &= self.optional;
            known.may_be_absent &= self.may_be_absent;
            known.unit_given &= self.unit_given;
            if known.depth == self.depth && known.kind == kind {
                return;
            }
        }
        let (name, depth) = (name.to_owned(), self.depth);
        let Self { optional, may_be_absent, unit_given, .. } = *self;
        self.requirements.push(Requirement { name, depth, kind, optional, may_be_absent, unit_given });
    }

    /// Columns that `declare` adds hold a list per entry.
    pub fn list(&mut self, declare: impl FnOnce(&mut Self)) {
        self.depth += 1;
        declare(self);
        self.depth -= 1;
    }

    /// Columns that `declare` adds may be absent from a file.
    pub fn optional(&mut self, declare: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.optional, true);
        declare(self);
        self.optional = before;
    }

    /// Optional columns that `declare` adds may be absent from every file of a fileset.
    pub fn may_be_absent(&mut self, declare: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.may_be_absent, true);
        declare(self);
        self.may_be_absent = before;
    }

    /// The processor says in which unit the file has the columns that `declare` adds.
    pub fn with_unit(&mut self, declare: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.unit_given, true);
        declare(self);
        self.unit_given = before;
    }

    /// What was added, in order.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Field;

    use super::*;

    fn need(depth: usize, wanted: DataType) -> Requirement {
        let (name, kind) = ("Muon_pt".into(), Kind::Number(wanted));
        Requirement { name, depth, kind, optional: false, may_be_absent: false, unit_given: false }
    }

    fn list(of: DataType) -> DataType {
        DataType::List(Arc::new(Field::new_list_field(of, false)))
    }

    #[test]
    fn a_wider_number_is_accepted_and_a_narrower_one_is_not() {
        assert_eq!(need(1, DataType::Int32).check(&list(DataType::Int16)), Ok(()));
        let error = need(1, DataType::Float32).check(&list(DataType::Float64)).unwrap_err().to_string();
        assert_eq!(error, "branch `Muon_pt` holds a list of double, which cannot be read as a list of float");
    }

    #[test]
    fn a_list_is_not_a_number_nor_the_other_way_round() {
        let error = need(0, DataType::Float32).check(&list(DataType::Float32)).unwrap_err().to_string();
        assert_eq!(error, "branch `Muon_pt` holds a list of float, which cannot be read as float");
        let error = need(1, DataType::Float32).check(&DataType::Float32).unwrap_err().to_string();
        assert_eq!(error, "branch `Muon_pt` holds float, which cannot be read as a list of float");
    }

    #[test]
    fn energies_of_xaod_need_a_unit() {
        for name in ["AnalysisMuonsAuxDyn.pt", "AnalysisJetsAux.m", "MET_Core_AnalysisMETAuxDyn.mpx"] {
            let mut schema = Schema::default();
            schema.push(name, Kind::Number(DataType::Float32));
            let error = schema.requirements()[0].check_unit().unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("unit = \"MeV\""), "{error}");
            let mut schema = Schema::default();
            schema.with_unit(|schema| schema.push(name, Kind::Number(DataType::Float32)));
            assert_eq!(schema.requirements()[0].check_unit(), Ok(()));
            // Declared a second time without the unit: half of the columns would be in MeV.
            schema.push(name, Kind::Number(DataType::Float32));
            assert!(schema.requirements()[0].check_unit().is_err());
        }
        for name in ["AnalysisMuonsAuxDyn.eta", "Muon_pt", "Muon.pt", "pt", "Aux.ptcone"] {
            let mut schema = Schema::default();
            schema.push(name, Kind::Number(DataType::Float32));
            assert_eq!(schema.requirements()[0].check_unit(), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_column_needed_twice_is_optional_only_if_both_say_so() {
        let mut schema = Schema::default();
        schema.optional(|schema| schema.push("x", Kind::String));
        assert!(schema.requirements()[0].optional);
        schema.push("x", Kind::String);
        assert_eq!(schema.requirements().len(), 1);
        assert!(!schema.requirements()[0].optional);
    }

    #[test]
    fn a_column_needed_twice_may_be_absent_everywhere_only_if_both_say_so() {
        let mut schema = Schema::default();
        let push = |schema: &mut Schema| schema.optional(|schema| schema.push("x", Kind::String));
        schema.may_be_absent(push);
        assert!(schema.requirements()[0].may_be_absent);
        push(&mut schema);
        assert!(schema.requirements()[0].optional && !schema.requirements()[0].may_be_absent);
    }
}
