//! Images as the runtime knows them: list, look, pull, remove, space used.

use proto::cri;

use super::{Client, Error, during};

impl Client {
    /// Every image, or the one `image` names.
    pub async fn list_images(&self, image: Option<&str>) -> Result<Vec<cri::Image>, Error> {
        let filter = image.map(|image| cri::ImageFilter { image: Some(spec(image)) });
        let request = self.request(cri::ListImagesRequest { filter });
        let answer = self.image_service().list_images(request).await.map_err(during("ListImages"))?;
        Ok(answer.into_inner().images)
    }

    /// The image of a name, tag, digest or id; `None` when the node has none such.
    pub async fn image_status(&self, image: cri::ImageSpec) -> Result<Option<cri::Image>, Error> {
        let request = self.request(cri::ImageStatusRequest { image: Some(image), verbose: false });
        let answer = self.image_service().image_status(request).await.map_err(during("ImageStatus"))?;
        let Some(image) = answer.into_inner().image else { return Ok(None) };
        if image.id.is_empty() || image.size == 0 {
            return Err(Error::Incomplete { call: "ImageStatus", field: "id or size" });
        }
        Ok(Some(image))
    }

    /// Pulls an image and answers its reference. Pulls have no deadline: the caller drops the future to give up.
    pub async fn pull_image(
        &self,
        image: cri::ImageSpec,
        auth: Option<cri::AuthConfig>,
        sandbox_config: Option<cri::PodSandboxConfig>,
    ) -> Result<String, Error> {
        let message = cri::PullImageRequest { image: Some(image), auth, sandbox_config };
        let answer = self.image_service().pull_image(tonic::Request::new(message)).await;
        let image_ref = answer.map_err(during("PullImage"))?.into_inner().image_ref;
        if image_ref.is_empty() {
            return Err(Error::Incomplete { call: "PullImage", field: "image_ref" });
        }
        Ok(image_ref)
    }

    /// Removes an image with all its names. Gone already is a success.
    pub async fn remove_image(&self, image: &str) -> Result<(), Error> {
        let request = self.request(cri::RemoveImageRequest { image: Some(spec(image)) });
        super::sandboxes::done_when_gone(
            self.image_service().remove_image(request).await.map_err(during("RemoveImage")),
        )
    }

    /// Space used on the file systems that hold images and writable layers.
    pub async fn image_fs_info(&self) -> Result<cri::ImageFsInfoResponse, Error> {
        let request = self.request(cri::ImageFsInfoRequest {});
        let answer = self.image_service().image_fs_info(request).await.map_err(during("ImageFsInfo"))?;
        Ok(answer.into_inner())
    }
}

/// An image named as the runtime wants it.
pub(crate) fn spec(image: &str) -> cri::ImageSpec {
    cri::ImageSpec { image: image.to_owned(), ..Default::default() }
}
