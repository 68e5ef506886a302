//! `TParameter<T>`: a number with a name, and how two of them are merged. The layouts are those of
//! versions 1 and 2, which are the same.

use super::SETTINGS;
use crate::hist::skip_tail;
use crate::root::{Buffer, Layouts, Parse};

/// A `TParameter`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its class, `TParameter<double>`.
    pub class: String,
    /// Its own name, which need not be that of its key.
    pub name: String,
    /// What it holds.
    pub value: Value,
    /// The bits of its `TObject`: how it is merged.
    pub(crate) bits: u32,
}

/// What a `TParameter` holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i32),
    /// `long` or `Long64_t`
    Long(i64),
    /// `float`
    Float(f32),
    /// `double`
    Double(f64),
}

impl Value {
    /// Nought, of what parameters of this class hold: the instances that ROOT has a dictionary of.
    pub(super) fn zero(class: &str) -> Option<Self> {
        Some(match class.strip_prefix("TParameter<")?.strip_suffix('>')?.trim() {
            "bool" | "Bool_t" => Self::Bool(false),
            "int" | "Int_t" => Self::Int(0),
            "long" | "Long_t" | "Long64_t" | "long long" => Self::Long(0),
            "float" | "Float_t" => Self::Float(0.0),
            "double" | "Double_t" => Self::Double(0.0),
            _ => return None,
        })
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(out),
            Self::Int(value) => value.fmt(out),
            Self::Long(value) => value.fmt(out),
            Self::Float(value) => value.fmt(out),
            Self::Double(value) => value.fmt(out),
        }
    }
}

/// How two parameters become one: `TParameter::EStatusBits`. Booleans add by "or" and multiply by "and".
#[derive(Clone, Copy)]
enum Mode {
    Add,
    Multiply,
    Max,
    Min,
    First,
    Last,
}

impl Parameter {
    const MULTIPLY: u32 = 1 << 16;
    const MAX: u32 = 1 << 17;
    const MIN: u32 = 1 << 18;
    const FIRST: u32 = 1 << 19;
    const LAST: u32 = 1 << 20;
    /// All values so far were the same.
    const IS_CONSTANT: u32 = 1 << 21;

    fn mode(&self) -> Mode {
        // In the order in which ROOT asks, should there be more than one.
        let modes = [
            (Self::MULTIPLY, Mode::Multiply),
            (Self::MAX, Mode::Max),
            (Self::MIN, Mode::Min),
            (Self::LAST, Mode::Last),
            (Self::FIRST, Mode::First),
        ];
        modes.into_iter().find(|(bit, _)| self.bits & bit != 0).map_or(Mode::Add, |(_, mode)| mode)
    }

    pub(super) fn merge(&mut self, other: &Self) -> Result<(), String> {
        let mode = self.mode();
        let value = match (self.value, other.value) {
            (Value::Bool(a), Value::Bool(b)) => Value::Bool(match mode {
                Mode::Multiply | Mode::Min => a && b,
                Mode::Add | Mode::Max => a || b,
                Mode::First => a,
                Mode::Last => b,
            }),
            (Value::Int(a), Value::Int(b)) => {
                Value::Int(merged(mode, a, b, i32::wrapping_add, i32::wrapping_mul))
            }
            (Value::Long(a), Value::Long(b)) => {
                Value::Long(merged(mode, a, b, i64::wrapping_add, i64::wrapping_mul))
            }
            (Value::Float(a), Value::Float(b)) => {
                Value::Float(merged(mode, a, b, |a, b| a + b, |a, b| a * b))
            }
            (Value::Double(a), Value::Double(b)) => {
                Value::Double(merged(mode, a, b, |a, b| a + b, |a, b| a * b))
            }
            _ => return Err(format!("is a {} in A and a {} in B", self.class, other.class)),
        };
        if self.value != other.value {
            self.bits &= !Self::IS_CONSTANT;
        }
        self.value = value;
        Ok(())
    }
}

fn merged<T: PartialOrd>(mode: Mode, a: T, b: T, add: impl Fn(T, T) -> T, multiply: impl Fn(T, T) -> T) -> T {
    match mode {
        Mode::Add => add(a, b),
        Mode::Multiply => multiply(a, b),
        Mode::Max if b > a => b,
        Mode::Min if b < a => b,
        Mode::Max | Mode::Min | Mode::First => a,
        Mode::Last => b,
    }
}

pub(super) fn read(buffer: &mut Buffer<'_>, class: &str, layouts: Layouts<'_>) -> Parse<Parameter> {
    let end = layouts.version(buffer, class, 1..=2, &["TObject", "fName", "fVal"])?.end;
    let bits = buffer.tobject_bits()? & SETTINGS;
    let name = buffer.tstring()?;
    let value = match Value::zero(class) {
        Some(Value::Bool(_)) => Value::Bool(buffer.u8()? != 0),
        Some(Value::Int(_)) => Value::Int(buffer.i32()?),
        Some(Value::Long(_)) => Value::Long(buffer.i64()?),
        Some(Value::Float(_)) => Value::Float(buffer.f32()?),
        Some(Value::Double(_)) | None => Value::Double(buffer.f64()?),
    };
    skip_tail(buffer, end)?;
    Ok(Parameter { class: class.to_owned(), name, value, bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(mode: u32, values: &[f64]) -> f64 {
        let make = |value| Parameter {
            class: "TParameter<double>".to_owned(),
            name: "p".to_owned(),
            value: Value::Double(value),
            bits: mode | Parameter::IS_CONSTANT,
        };
        let mut sum = make(values[0]);
        for &value in &values[1..] {
            sum.merge(&make(value)).unwrap();
        }
        assert_eq!(sum.bits & Parameter::IS_CONSTANT != 0, values.iter().all(|value| *value == values[0]));
        match sum.value {
            Value::Double(value) => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn parameters_merge_as_their_mode_says() {
        let values = [3.0, 5.0, 2.0];
        for (mode, want) in [
            (0, 10.0),
            (Parameter::MULTIPLY, 30.0),
            (Parameter::MAX, 5.0),
            (Parameter::MIN, 2.0),
            (Parameter::FIRST, 3.0),
            (Parameter::LAST, 2.0),
        ] {
            assert_eq!(merged(mode, &values), want);
        }
        assert_eq!(merged(0, &[1.5, 1.5]), 3.0);
    }
}
