//! JSON as a checkpoint's description may be written: no name twice, no list without an end.
//!
//! `serde_json` lets the last of two equal names win, and makes a list as long as the text says.
//! Here the one is an error and the other is cut off where it stops making sense.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{MOST_AXES, MOST_TENSORS};

/// An object by its names, each of which stands there once. `__metadata__` is passed over.
pub(super) struct Distinct<V>(pub(super) BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Distinct<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Names<V> {
            type Value = Distinct<V>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object with a name for each tensor")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    if found.len() >= MOST_TENSORS {
                        let what =
                            format!("it has more tensors than any model, over {MOST_TENSORS}");
                        return Err(A::Error::custom(what));
                    }
                    let value = map.next_value().map_err(|err| {
                        A::Error::custom(format!("tensor `{name}` is not described: {err}"))
                    })?;
                    if let Some(name) = found.contains_key(&name).then_some(&name) {
                        return Err(A::Error::custom(format!("it has two tensors `{name}`")));
                    }
                    found.insert(name, value);
                }
                Ok(Distinct(found))
            }
        }

        deserializer.deserialize_map(Names(PhantomData))
    }
}

/// The extents of a tensor.
pub(super) struct Shape(pub(super) Vec<usize>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Extents;

        impl<'de> Visitor<'de> for Extents {
            type Value = Shape;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "a shape of at most {MOST_AXES} axes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut extents = Vec::new();
                while let Some(extent) = list.next_element()? {
                    if extents.len() == MOST_AXES {
                        return Err(A::Error::invalid_length(MOST_AXES + 1, &self));
                    }
                    extents.push(extent);
                }
                Ok(Shape(extents))
            }
        }

        deserializer.deserialize_seq(Extents)
    }
}
