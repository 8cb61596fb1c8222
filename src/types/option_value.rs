//! A value of an option, as the OpenAPI document has it.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, ObjectBuilder, RefOr,
        schema::{AnyOfBuilder, Schema, Type},
    },
};

/// Any value that an option may have; what an option takes is said where it is listed (`Options`).
pub struct OptionValue;

impl PartialSchema for OptionValue {
    fn schema() -> RefOr<Schema> {
        let of = |kind| ObjectBuilder::new().schema_type(kind);
        let alternatives = AnyOfBuilder::new()
            .item(of(Type::Boolean))
            .item(of(Type::Number))
            .item(of(Type::String))
            .item(ArrayBuilder::new().items(of(Type::Number)))
            .description(Some(
                "A value of an option: what it takes is said in `Options` and by the method's own options.",
            ));
        Schema::AnyOf(alternatives.build()).into()
    }
}

impl ToSchema for OptionValue {}
