//! Files of a result, each durable before it is announced.

use super::denoised::{BoxError, DenoisedWriter};
use crate::backbone::{TensorFile, WeightsError, write_durably};
use crate::ingest::{DatasetError, RowChanges};
use crate::report::ReadRowsError;
use crate::types::{ArtifactFile, LabelColumns, TrainerEvent};
use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

pub(super) const PARQUET: &str = "application/vnd.apache.parquet";
pub(super) const NPY: &str = "application/x-npy";
const SAFETENSORS: &str = "application/octet-stream";

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("cannot write `{file}`: {source}")]
    Write { file: String, source: io::Error },
    #[error("cannot write the denoised table: {0}")]
    Denoised(BoxError),
    #[error(transparent)]
    Explanations(#[from] ReadRowsError),
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// The folder of the results, and who is told of each.
pub(super) struct Artifacts<'a> {
    pub out_dir: &'a Path,
    pub emit: &'a mut dyn FnMut(TrainerEvent),
}

impl Artifacts<'_> {
    pub fn write(
        &mut self,
        name: &str,
        file: &str,
        media_type: &str,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        write_durably(&self.out_dir.join(file), write)
            .map_err(|source| ExportError::Write { file: file.to_owned(), source })?;
        self.announce(name, file, media_type);
        Ok(())
    }

    /// Writes tensors with a JSON document that describes them.
    pub fn write_tensors(
        &mut self,
        name: &str,
        file: &str,
        tensors: &TensorFile,
        description: &impl serde::Serialize,
    ) -> Result<(), ExportError> {
        let mut described = TensorFile::new();
        described.put_all("", tensors);
        described.describe(description)?;
        let bytes = described.to_bytes()?;
        self.write(name, file, SAFETENSORS, |out| out.write_all(&bytes))
    }

    /// Writes the uploaded table with what `changes` says of its rows. Returns the columns that were added to it.
    pub fn write_denoised(
        &mut self,
        writer: &DenoisedWriter,
        changes: RowChanges,
    ) -> Result<Option<LabelColumns>, ExportError> {
        let DenoisedWriter { file_name, media_type, write } = writer;
        let temporary = self.out_dir.join(format!("{file_name}.part"));
        let columns = write(changes, &temporary).map_err(ExportError::Denoised)?;
        File::open(&temporary)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&temporary, self.out_dir.join(file_name)))
            .map_err(|source| ExportError::Write { file: file_name.clone(), source })?;
        self.announce("denoised", file_name, media_type);
        Ok(columns)
    }

    fn announce(&mut self, name: &str, file: &str, media_type: &str) {
        (self.emit)(TrainerEvent::Artifact(ArtifactFile {
            name: name.to_owned(),
            file: file.to_owned(),
            media_type: media_type.to_owned(),
            download_name: file.to_owned(),
        }));
    }
}
