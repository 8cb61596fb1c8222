//! Where a job runs, and what computes it.

use super::words::choice;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

choice!(
    /// What computes a job.
    Engine {
        /// `fused` on a CPU for the backbones it has, else `tch`.
        Auto = "auto",
        /// libtorch, every backbone on any device: the reference.
        Tch = "tch",
        /// For CPUs, several times faster than libtorch on one; has the paper's five backbones.
        Fused = "fused",
    }
);
#[allow(clippy::derivable_impls, reason = "the words are made by a macro")]
impl Default for Engine {
    fn default() -> Self {
        Self::Auto
    }
}

/// Where a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// A GPU where the worker has one, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// The GPU of this number.
    Cuda(u32),
}

impl std::str::FromStr for Device {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => word
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .filter(|number| *number < 1024)
                .map(Self::Cuda)
                .ok_or_else(|| format!("`{word}` is not a device: write auto, cpu, or cuda:0")),
        }
    }
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        word.parse()
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> String {
        device.to_string()
    }
}

impl utoipa::PartialSchema for Device {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^(auto|cpu|cuda(:[0-9]+)?)$"))
            .description(Some("`auto` takes a GPU where the worker has one."))
            .into()
    }
}

impl ToSchema for Device {}
