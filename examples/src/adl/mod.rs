//! The eight queries of the ADL benchmark (iris-hep/adl-benchmarks-index), on NanoAOD as CMS
//! published its 2012 data.

mod q1;
mod q2;
mod q3;
mod q4;
mod q5;
mod q6;
mod q7;
mod q8;

pub use q1::AdlQ1;
pub use q2::AdlQ2;
pub use q3::AdlQ3;
pub use q4::AdlQ4;
pub use q5::AdlQ5;
pub use q6::AdlQ6;
pub use q7::AdlQ7;
pub use q8::AdlQ8;
