use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrowPrimitiveType};
use arrow_buffer::{ArrowNativeType, ScalarBuffer};
use arrow_schema::DataType;

use crate::schema::widens;

/// A number that can stand in a processor's event struct.
pub trait Number: ArrowNativeType {
    /// Its Arrow type.
    const TYPE: DataType;

    /// The values of `array` as `Self`: shared where the types agree, converted where every value
    /// of the array's type is exactly a `Self`, and none otherwise.
    fn widen(array: &dyn Array) -> Option<ScalarBuffer<Self>>;
}

fn convert<A: ArrowPrimitiveType, T>(array: &dyn Array, to: fn(A::Native) -> T) -> ScalarBuffer<T>
where
    T: ArrowNativeType,
{
    array.as_primitive::<A>().values().iter().map(|&value| to(value)).collect()
}

macro_rules! numbers {
    ($($native:ty, $arrow:ty, $type:ident: $($from:ident)*;)*) => {$(
        impl Number for $native {
            const TYPE: DataType = DataType::$type;

            fn widen(array: &dyn Array) -> Option<ScalarBuffer<Self>> {
                if let Some(same) = array.as_primitive_opt::<$arrow>() {
                    return Some(same.values().clone());
                }
                if !widens(array.data_type(), &Self::TYPE) {
                    return None;
                }
                Some(match array.data_type() {
                    DataType::Boolean => array.as_boolean().values().iter().map(|bit| u8::from(bit) as $native).collect(),
                    $(DataType::$from => convert::<numbers!(@ $from), _>(array, |value| value as $native),)*
                    _ => return None,
                })
            }
        }
    )*};
    (@ Int8) => { Int8Type };
    (@ Int16) => { Int16Type };
    (@ Int32) => { Int32Type };
    (@ UInt8) => { UInt8Type };
    (@ UInt16) => { UInt16Type };
    (@ UInt32) => { UInt32Type };
    (@ Float32) => { Float32Type };
}

numbers! {
    i8, Int8Type, Int8: ;
    i16, Int16Type, Int16: Int8 UInt8;
    i32, Int32Type, Int32: Int8 Int16 UInt8 UInt16;
    i64, Int64Type, Int64: Int8 Int16 Int32 UInt8 UInt16 UInt32;
    u8, UInt8Type, UInt8: ;
    u16, UInt16Type, UInt16: UInt8;
    u32, UInt32Type, UInt32: UInt8 UInt16;
    u64, UInt64Type, UInt64: UInt8 UInt16 UInt32;
    f32, Float32Type, Float32: Int8 Int16 UInt8 UInt16;
    f64, Float64Type, Float64: Int8 Int16 Int32 UInt8 UInt16 UInt32 Float32;
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int8Array, UInt32Array};

    #[test]
    fn a_short_counter_widens_and_a_wide_one_does_not_narrow() {
        assert_eq!(&*i32::widen(&Int8Array::from(vec![-1, 3])).unwrap(), [-1, 3]);
        assert!(i32::widen(&UInt32Array::from(vec![1])).is_none());
    }

    #[test]
    fn equal_types_share_their_memory() {
        let array = UInt32Array::from(vec![1, 2, 3]);
        assert!(u32::widen(&array).unwrap().inner().ptr_eq(array.values().inner()));
    }
}
