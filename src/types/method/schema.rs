//! The own options of all methods in one schema, as the API document has them, and their names.

use serde::{
    Serialize,
    de::{Deserializer, IgnoredAny, MapAccess, Visitor},
};
use std::{collections::BTreeMap, fmt};
use utoipa::{
    ToSchema,
    openapi::{
        RefOr,
        schema::{AdditionalProperties, ObjectBuilder, Schema, Type},
    },
};

/// The options of one method, and what they refer to.
pub struct OwnSchema {
    schema: RefOr<Schema>,
    pub referred: Vec<(String, RefOr<Schema>)>,
}

impl OwnSchema {
    pub fn of<T: ToSchema>() -> Self {
        let mut referred = Vec::new();
        T::schemas(&mut referred);
        Self { schema: T::schema(), referred }
    }
}

/// The options of all methods as those of one struct.
pub fn merged(all: Vec<OwnSchema>) -> RefOr<Schema> {
    let mut properties = BTreeMap::new();
    for own in all {
        gather(own.schema, &mut properties);
    }
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "Options of the baselines beside those of the training. Each method has some of them, see \
             [`MethodName::own_options`].",
        ))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    properties.into_iter().fold(object, |object, (name, schema)| object.property(name, schema)).into()
}

/// The properties of a struct and of the structs that are flattened into it. An option of several methods is that of the first.
fn gather(schema: RefOr<Schema>, into: &mut BTreeMap<String, RefOr<Schema>>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            for (name, schema) in object.properties {
                into.entry(name).or_insert(schema);
            }
        }
        RefOr::T(Schema::AllOf(parts)) => parts.items.into_iter().for_each(|part| gather(part, into)),
        _ => unreachable!("options are structs"),
    }
}

/// Names of the fields of a struct, in the order they are declared.
pub fn names(options: &impl Serialize) -> Vec<String> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a struct")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
            let mut names = Vec::new();
            while let Some((name, IgnoredAny)) = map.next_entry()? {
                names.push(name);
            }
            Ok(names)
        }
    }

    // The text keeps the order; a map of `serde_json` sorts.
    let text = serde_json::to_string(options).expect("options are plain data");
    serde_json::Deserializer::from_str(&text).deserialize_map(Names).expect("a struct serialises to an object")
}
