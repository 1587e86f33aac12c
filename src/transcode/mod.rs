//! stub
use crate::pipeline::Transcoded;
use crate::row::RowBuffer;
use crate::source::Event;
pub struct Plan;
impl Plan {
    pub fn ignored_labels(&self) -> &[String] {
        &[]
    }
    pub fn transcode(&mut self, _e: &Event<'_>, _n: i64, _r: &mut RowBuffer) -> Transcoded {
        Transcoded::Row
    }
}
