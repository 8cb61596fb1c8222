//! Which page of a list is asked for, and the page that is answered.

use super::{
    error::{ApiError, Kind},
    extract::Json,
    views::Page,
};
use crate::store::{self, Cursor, ParseCursorError};
use serde::Deserialize;
use utoipa::IntoParams;

/// Rows of a page where the client does not say.
const USUAL_ROWS: u32 = 20;

/// The parameters of every list that goes from the newest thing to the oldest.
///
/// utoipa's macros take bounds and patterns only as literals, so that lists with cursors of another kind repeat the bounds of
/// `limit`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// Rows of the page, 1 to 100.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = "^000[0-9a-f]{45}$")]
    pub after: Option<String>,
}

impl PageParams {
    /// How many rows are asked for, and the place in the list that they come after.
    pub fn check(&self) -> Result<(u32, Option<Cursor>), ApiError> {
        let limit = check_limit(self.limit)?;
        let after = self.after.as_deref().map(str::parse).transpose();
        let after = after.map_err(|error: ParseCursorError| ApiError::new(Kind::BadCursor, error.to_string()))?;
        Ok((limit, after))
    }
}

/// Rows of a page: what the client asks for, from 1 to 100.
pub fn check_limit(limit: Option<u32>) -> Result<u32, ApiError> {
    match limit.unwrap_or(USUAL_ROWS) {
        limit @ 1..=100 => Ok(limit),
        other => Err(ApiError::bad_request(format!("limit is {other}; it must be from 1 to 100"))),
    }
}

/// A page of rows as clients see them.
pub fn answer_page<R, T>(page: store::Page<R>, view: impl FnMut(R) -> T) -> Json<Page<T>> {
    let next = page.next.map(|cursor| cursor.to_string());
    Json(Page { data: page.rows.into_iter().map(view).collect(), has_more: next.is_some(), next })
}
