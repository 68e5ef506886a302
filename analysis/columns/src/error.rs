use arrow_schema::DataType;

/// Why a column cannot be given to the processor that asked for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnError {
    /// No such column: a typo, or a file of another campaign.
    #[error("no branch `{name}`{}", did_you_mean(.nearest.as_deref()))]
    Missing {
        /// The name asked for.
        name: String,
        /// The existing name that is most like it.
        nearest: Option<String>,
    },
    /// The column holds another type than the struct that declares it, and the values would not fit.
    #[error("branch `{name}` holds {found}, which cannot be read as {wanted}")]
    Type {
        /// The column.
        name: String,
        /// What the file holds.
        found: String,
        /// What the processor declared.
        wanted: String,
    },
    /// Two columns of one collection have different numbers of objects in some entry.
    #[error("branches `{a}` and `{b}` belong to one collection but have different lengths")]
    Lengths {
        /// The first column read.
        a: String,
        /// The one that differs.
        b: String,
    },
    /// A column of energies in MeV, where everything takes GeV and the processor does not name the unit.
    #[error(
        "branch `{name}` holds MeV, as all energies of ATLAS's xAOD formats do, and four-momenta are in GeV; \
         declare it with `unit = \"MeV\"`, as in `#[column(\"pt\", unit = \"MeV\")]`, to convert it, or with \
         `unit = \"GeV\"` to read the numbers unchanged"
    )]
    Unit {
        /// The column.
        name: String,
    },
    /// A collection none of whose columns are in the file.
    #[error("collection `{name}` has no branch in this file")]
    EmptyCollection {
        /// The collection.
        name: String,
    },
    /// A column that is asked for by name and was not declared, so that it was not read.
    #[error(
        "`{name}` is not among the columns of dataset `{dataset}`: declare it in the processor's `declare`"
    )]
    NotDeclared {
        /// The column.
        name: String,
        /// The dataset.
        dataset: String,
    },
    /// A string that is not UTF-8; declare it as bytes.
    #[error("branch `{name}` holds a string that is not UTF-8")]
    NotUtf8 {
        /// The column.
        name: String,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// The candidate most like `name`, if one is like enough to be worth suggesting: what a mistyped or
/// misremembered name was meant to be.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        // Names so long are not alike, and their distance takes memory.
        .filter(|candidate| candidate.len() <= 4 * (name.len() + 3))
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .min()
        .filter(|(distance, _)| *distance <= (name.len() / 3).clamp(1, 3))
        .map(|(_, candidate)| candidate.to_owned())
}

/// A type as a physicist writes it: `float`, `list of int32`, `float[3]`.
pub(crate) fn describe(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "bool".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Binary => "string".to_owned(),
        DataType::List(item) => format!("a list of {}", describe(item.data_type())),
        DataType::FixedSizeList(item, n) => format!("{}[{n}]", describe(item.data_type())),
        DataType::Struct(fields) => {
            format!("a struct of {}", fields.iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other}").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typo_finds_its_name_and_nonsense_finds_nothing() {
        let names = ["Muon_pt", "Muon_eta", "MET_pt", "nMuon"];
        assert_eq!(nearest("Muon_pT", names).as_deref(), Some("Muon_pt"));
        assert_eq!(nearest("Moun_eta", names).as_deref(), Some("Muon_eta"));
        assert_eq!(nearest("Electron_dxy", names), None);
    }
}
