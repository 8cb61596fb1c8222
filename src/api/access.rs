//! Who is asking.

use super::{error::ApiError, state::AppState};
use crate::types::TenantId;
use axum::{extract::FromRequestParts, http::request::Parts};

/// Whoever sent the request, and whose things it may see.
#[derive(Debug, Clone)]
pub struct Caller {
    pub tenant: TenantId,
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let tenant = TenantId::default();
        tracing::Span::current().record("tenant", tenant.as_str());
        Ok(Self { tenant })
    }
}
