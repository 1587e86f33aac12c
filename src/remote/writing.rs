//! Writes, lists and removes objects of buckets.

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::error::{Fault, FetchError};
use super::fetcher::{Fetcher, fault};
use super::http::with_trouble;
use crate::config::location::{InBucket, Remote};
use crate::error_chain::chain;

impl Fetcher {
    /// Writes an object as a whole. Writing it again does no harm.
    pub async fn put(&self, at: &Remote, bytes: Bytes) -> Result<(), FetchError> {
        let put = async {
            let (bucket, path) = self.place(at).await?;
            let (result, trouble) = with_trouble(bucket.store.put(&path, bytes.into())).await;
            result.map(drop).map_err(|error| fault(&error, trouble, &bucket))
        };
        put.await.map_err(|fault| FetchError::new(at, fault))
    }

    /// Removes all objects of a folder, and returns their number.
    pub async fn remove_folder(&self, at: &Remote) -> Result<usize, FetchError> {
        let remove = async {
            let (bucket, folder) = self.place(at).await?;
            let list = bucket.store.list(Some(&folder)).map_ok(|found| found.location);
            let (found, trouble) = with_trouble(list.try_collect::<Vec<_>>()).await;
            let found = found.map_err(|error| fault(&error, trouble, &bucket))?;
            for path in &found {
                let (result, trouble) = with_trouble(bucket.store.delete(path)).await;
                match result {
                    // The answer to an earlier request was lost.
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(fault(&error, trouble, &bucket)),
                }
            }
            Ok(found.len())
        };
        remove.await.map_err(|fault| FetchError::new(at, fault))
    }

    async fn place(&self, at: &Remote) -> Result<(super::buckets::Bucket, Path), Fault> {
        let (Remote::S3(InBucket { bucket, key }) | Remote::Gs(InBucket { bucket, key })) = at
        else {
            return Err(Fault::Misconfigured("it is not in a bucket".to_owned()));
        };
        let path = Path::parse(key).map_err(|error| Fault::Misconfigured(chain(&error)))?;
        Ok((self.bucket(at, bucket).await?, path))
    }
}
