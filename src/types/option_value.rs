//! A value of an option, as the OpenAPI document has it.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, ObjectBuilder, RefOr,
        schema::{Schema, SchemaType, Type},
    },
};

/// Any value that an option may have; what an option takes is said where it is listed (`Options`).
pub struct OptionValue;

impl PartialSchema for OptionValue {
    /// A list of types rather than alternatives: generators for typed languages name a getter after each alternative, and have
    /// no name for a list of numbers.
    fn schema() -> RefOr<Schema> {
        let kinds = [Type::Boolean, Type::Number, Type::String, Type::Array];
        let value = ArrayBuilder::new()
            .schema_type(SchemaType::from_iter(kinds))
            .items(ObjectBuilder::new().schema_type(Type::Number))
            .description(Some(
                "A value of an option: what it takes is said in `Options` and by the method's own options.",
            ));
        Schema::Array(value.build()).into()
    }
}

impl ToSchema for OptionValue {}
