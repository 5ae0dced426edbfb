//! The values that the turns of one thing gave.

use serde::{Serialize, Serializer, ser::SerializeStruct};

/// At least one value, in the order of the turns.
#[derive(Debug, Clone, PartialEq)]
pub struct Series(Vec<f64>);

impl Series {
    /// Makes a series of what the turns gave. `None` when there was no turn.
    pub fn new(values: Vec<f64>) -> Option<Self> {
        (!values.is_empty()).then_some(Self(values))
    }

    pub fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Returns the middle value; of an even number the mean of the two in the middle.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
    }
}

impl Serialize for Series {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Series", 4)?;
        fields.serialize_field("min", &self.min())?;
        fields.serialize_field("median", &self.median())?;
        fields.serialize_field("max", &self.max())?;
        fields.serialize_field("values", &self.0)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        let of = |values: &[f64]| Series::new(values.to_vec()).unwrap();
        assert_eq!((of(&[3.0, 1.0, 2.0]).median(), of(&[4.0, 1.0, 2.0, 3.0]).median()), (2.0, 2.5));
        assert_eq!((of(&[3.0, 1.0, 2.0]).min(), of(&[3.0, 1.0, 2.0]).max()), (1.0, 3.0));
        assert_eq!(Series::new(vec![]), None);
    }
}
