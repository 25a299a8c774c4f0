//! SPDY/3.1 frames, free of I/O.

use bytes::{Buf as _, Bytes, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::dictionary::DICTIONARY;

/// A control frame may not be larger; headers of streaming requests are a few hundred bytes.
const MAX_CONTROL_FRAME: usize = 1 << 20;
/// A header block may not inflate to more.
const MAX_HEADER_BLOCK: usize = 1 << 20;
/// Length field of a frame: 24 bits.
const MAX_DATA_FRAME: usize = (1 << 24) - 1;

const FLAG_FIN: u8 = 0x01;
const FLAG_UNIDIRECTIONAL: u8 = 0x02;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const SETTINGS: u16 = 4;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;
const WINDOW_UPDATE: u16 = 9;

/// Header names in lower case with their value; one name may come several times.
pub type Headers = Vec<(String, String)>;

/// Who opened the connection: clients number their streams and pings 1, 3, 5 …, servers 2, 4, 6 ….
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Opened the connection.
    Client,
    /// Accepted it.
    Server,
}

impl Role {
    /// The first stream number of this side.
    pub fn first_stream(self) -> u32 {
        match self {
            Role::Client => 1,
            Role::Server => 2,
        }
    }

    /// Whether this side made a number.
    pub fn owns(self, number: u32) -> bool {
        number % 2 == self.first_stream() % 2
    }
}

/// Why a connection cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpdyError {
    /// A version other than 3.
    #[error("spdy version {0} is not supported, only 3")]
    Version(u16),
    /// A frame shorter than its kind needs.
    #[error("spdy frame of type {0} is too short")]
    Short(u16),
    /// A frame longer than is allowed.
    #[error("spdy frame of {0} bytes is larger than the limit of {MAX_CONTROL_FRAME}")]
    TooLong(usize),
    /// Headers that do not inflate, are too large, or are malformed.
    #[error("spdy header block: {0}")]
    Headers(&'static str),
    /// All stream numbers are used up.
    #[error("spdy stream numbers are used up")]
    StreamNumbers,
}

/// One frame as received. Data comes in the pieces the connection delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The peer opens a stream.
    SynStream {
        /// Its number.
        stream: u32,
        /// Headers.
        headers: Headers,
        /// The peer will send no data.
        fin: bool,
        /// The peer wants no data.
        unidirectional: bool,
    },
    /// The peer accepts a stream.
    SynReply {
        /// Number.
        stream: u32,
        /// Headers.
        headers: Headers,
        /// The peer will send no data.
        fin: bool,
    },
    /// More headers.
    Headers {
        /// Number.
        stream: u32,
        /// Headers.
        headers: Headers,
        /// The last frame of the peer on this stream.
        fin: bool,
    },
    /// Data, possibly a part of a frame.
    Data {
        /// Number.
        stream: u32,
        /// Bytes.
        bytes: Bytes,
        /// The peer will send no more data.
        fin: bool,
    },
    /// The peer ends a stream.
    Reset {
        /// Number.
        stream: u32,
        /// Status of the protocol (1 protocol error, 3 refused, 5 cancel …).
        status: u32,
    },
    /// To be echoed unless its number is one's own.
    Ping(u32),
    /// The peer opens and accepts no more streams.
    GoAway {
        /// Last stream it accepted.
        last_stream: u32,
        /// 0 for an orderly end.
        status: u32,
    },
    /// Settings or a window update, which nobody here acts on.
    Ignored,
}

/// Writes frames; headers share one compression context, so frames must be sent in the order made.
pub struct Encoder {
    compress: Compress,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder::new()
    }
}

impl Encoder {
    /// For a new connection.
    pub fn new() -> Encoder {
        let mut compress = Compress::new(Compression::best(), true);
        if compress.set_dictionary(&DICTIONARY).is_err() {
            // Only possible after the first byte was compressed.
            tracing::error!("spdy dictionary was not accepted");
        }
        Encoder { compress }
    }

    /// SYN_STREAM.
    pub fn syn_stream(&mut self, stream: u32, headers: &Headers, fin: bool) -> Result<Vec<u8>, SpdyError> {
        let mut payload = stream.to_be_bytes().to_vec();
        // No associated stream, highest priority, no credential slot.
        payload.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
        self.append_headers(headers, &mut payload)?;
        Ok(control(SYN_STREAM, fin, &payload))
    }

    /// SYN_REPLY.
    pub fn syn_reply(&mut self, stream: u32, headers: &Headers, fin: bool) -> Result<Vec<u8>, SpdyError> {
        let mut payload = stream.to_be_bytes().to_vec();
        self.append_headers(headers, &mut payload)?;
        Ok(control(SYN_REPLY, fin, &payload))
    }

    fn append_headers(&mut self, headers: &Headers, out: &mut Vec<u8>) -> Result<(), SpdyError> {
        let mut names: Vec<(String, Vec<&str>)> = Vec::new();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            match names.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => names.push((name, vec![value])),
            }
        }
        let mut block = Vec::new();
        let mut append = |bytes: &[u8]| {
            block.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
            block.extend_from_slice(bytes);
        };
        for (name, values) in &names {
            append(name.as_bytes());
            append(values.join("\0").as_bytes());
        }
        let mut input = u32::try_from(names.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
        input.extend_from_slice(&block);
        let start = self.compress.total_in();
        loop {
            let consumed = usize::try_from(self.compress.total_in() - start).unwrap_or(usize::MAX);
            out.reserve(input.len() + 64);
            let before = out.len();
            let rest = input.get(consumed..).unwrap_or_default();
            self.compress
                .compress_vec(rest, out, FlushCompress::Sync)
                .map_err(|_| SpdyError::Headers("cannot be compressed"))?;
            let consumed = usize::try_from(self.compress.total_in() - start).unwrap_or(usize::MAX);
            // A sync flush is complete when it leaves room in the output.
            if consumed >= input.len() && (out.len() < out.capacity() || out.len() == before) {
                return Ok(());
            }
        }
    }

    /// DATA frames for `bytes`, which may be empty together with `fin`.
    pub fn data(stream: u32, bytes: &[u8], fin: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + 8);
        let mut chunks = bytes.chunks(MAX_DATA_FRAME).peekable();
        if chunks.peek().is_none() {
            data_frame(&mut out, stream, &[], fin);
        }
        while let Some(chunk) = chunks.next() {
            data_frame(&mut out, stream, chunk, fin && chunks.peek().is_none());
        }
        out
    }

    /// RST_STREAM.
    pub fn reset(stream: u32, status: u32) -> Vec<u8> {
        control(RST_STREAM, false, &[stream.to_be_bytes(), status.to_be_bytes()].concat())
    }

    /// PING.
    pub fn ping(number: u32) -> Vec<u8> {
        control(PING, false, &number.to_be_bytes())
    }

    /// GOAWAY.
    pub fn go_away(last_stream: u32, status: u32) -> Vec<u8> {
        control(GOAWAY, false, &[last_stream.to_be_bytes(), status.to_be_bytes()].concat())
    }
}

fn control(kind: u16, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 8);
    out.extend_from_slice(&0x8003_u16.to_be_bytes());
    out.extend_from_slice(&kind.to_be_bytes());
    push_flags_and_length(&mut out, fin, payload.len());
    out.extend_from_slice(payload);
    out
}

fn data_frame(out: &mut Vec<u8>, stream: u32, bytes: &[u8], fin: bool) {
    out.extend_from_slice(&(stream & 0x7fff_ffff).to_be_bytes());
    push_flags_and_length(out, fin, bytes.len());
    out.extend_from_slice(bytes);
}

fn push_flags_and_length(out: &mut Vec<u8>, fin: bool, length: usize) {
    out.push(if fin { FLAG_FIN } else { 0 });
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    out.extend(length.iter().skip(1));
}

/// Reads frames from whatever pieces the connection delivers.
pub struct Decoder {
    buffer: BytesMut,
    decompress: Decompress,
    /// The data frame whose bytes are still coming: stream, bytes left, whether it ends the stream.
    data: Option<(u32, usize, bool)>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Decoder").field("buffered", &self.buffer.len()).finish_non_exhaustive()
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

impl Decoder {
    /// For a new connection.
    pub fn new() -> Decoder {
        Decoder { buffer: BytesMut::new(), decompress: Decompress::new(true), data: None }
    }

    /// Takes bytes in; then call [`Decoder::next_frame`] until it has nothing more.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, `None` when more bytes are needed. After an error the connection is lost.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, SpdyError> {
        if let Some((stream, left, fin)) = self.data {
            if self.buffer.is_empty() {
                return Ok(None);
            }
            let take = left.min(self.buffer.len());
            let bytes = self.buffer.split_to(take).freeze();
            self.data = (take < left).then_some((stream, left - take, fin));
            return Ok(Some(Frame::Data { stream, bytes, fin: fin && take == left }));
        }
        let Some(head) = self.buffer.first_chunk::<8>().copied() else { return Ok(None) };
        let flags = head[4];
        let length = u32::from_be_bytes([0, head[5], head[6], head[7]]) as usize;
        let first = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        if head[0] & 0x80 == 0 {
            self.buffer.advance(8);
            let fin = flags & FLAG_FIN != 0;
            if length == 0 {
                return Ok(Some(Frame::Data { stream: first, bytes: Bytes::new(), fin }));
            }
            self.data = Some((first, length, fin));
            return self.next_frame();
        }
        let version = u16::from_be_bytes([head[0] & 0x7f, head[1]]);
        if version != 3 {
            return Err(SpdyError::Version(version));
        }
        if length > MAX_CONTROL_FRAME {
            return Err(SpdyError::TooLong(length));
        }
        if self.buffer.len() < 8 + length {
            return Ok(None);
        }
        self.buffer.advance(8);
        let payload = self.buffer.split_to(length).freeze();
        self.control_frame(u16::from_be_bytes([head[2], head[3]]), flags, payload).map(Some)
    }

    fn control_frame(&mut self, kind: u16, flags: u8, mut payload: Bytes) -> Result<Frame, SpdyError> {
        let fin = flags & FLAG_FIN != 0;
        let mut number = || payload.try_get_u32().map_err(|_| SpdyError::Short(kind));
        Ok(match kind {
            SYN_STREAM => {
                let stream = number()? & 0x7fff_ffff;
                number()?;
                payload.try_get_u16().map_err(|_| SpdyError::Short(kind))?;
                let headers = self.read_headers(&payload)?;
                Frame::SynStream { stream, headers, fin, unidirectional: flags & FLAG_UNIDIRECTIONAL != 0 }
            }
            SYN_REPLY => {
                let stream = number()? & 0x7fff_ffff;
                Frame::SynReply { stream, headers: self.read_headers(&payload)?, fin }
            }
            HEADERS => {
                let stream = number()? & 0x7fff_ffff;
                Frame::Headers { stream, headers: self.read_headers(&payload)?, fin }
            }
            RST_STREAM => Frame::Reset { stream: number()? & 0x7fff_ffff, status: number()? },
            PING => Frame::Ping(number()?),
            GOAWAY => Frame::GoAway { last_stream: number()? & 0x7fff_ffff, status: number()? },
            SETTINGS | WINDOW_UPDATE => Frame::Ignored,
            // The protocol tells receivers to step over what they do not know.
            _ => Frame::Ignored,
        })
    }

    fn read_headers(&mut self, compressed: &[u8]) -> Result<Headers, SpdyError> {
        let block = self.inflate(compressed)?;
        let mut rest = block.as_slice();
        let malformed = SpdyError::Headers("is malformed");
        let count = rest.try_get_u32().map_err(|_| malformed.clone())?;
        let mut headers = Headers::new();
        for _ in 0..count {
            let mut text = || {
                let length = rest.try_get_u32().map_err(|_| malformed.clone())? as usize;
                let bytes = rest.split_off(..length).ok_or_else(|| malformed.clone())?;
                String::from_utf8(bytes.to_vec()).map_err(|_| malformed.clone())
            };
            let (name, values) = (text()?, text()?);
            headers.extend(values.split('\0').map(|value| (name.clone(), value.to_owned())));
        }
        Ok(headers)
    }

    fn inflate(&mut self, compressed: &[u8]) -> Result<Vec<u8>, SpdyError> {
        let mut out = Vec::with_capacity(4096);
        let mut input = compressed;
        loop {
            let (start_in, start_out) = (self.decompress.total_in(), out.len());
            out.reserve(4096);
            let outcome = self.decompress.decompress_vec(input, &mut out, FlushDecompress::Sync);
            let consumed = usize::try_from(self.decompress.total_in() - start_in).unwrap_or(usize::MAX);
            input = input.get(consumed..).unwrap_or_default();
            match outcome {
                Ok(Status::Ok | Status::BufError) => {}
                Ok(Status::StreamEnd) => return Ok(out),
                Err(error) if error.needs_dictionary().is_some() => {
                    self.decompress
                        .set_dictionary(&DICTIONARY)
                        .map_err(|_| SpdyError::Headers("was made with another dictionary"))?;
                    continue;
                }
                Err(_) => return Err(SpdyError::Headers("cannot be inflated")),
            }
            if out.len() > MAX_HEADER_BLOCK {
                return Err(SpdyError::Headers("is too large"));
            }
            if consumed == 0 && out.len() == start_out || input.is_empty() && out.len() < out.capacity() {
                return Ok(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Everything a decoder makes of `bytes` delivered in pieces of `size`.
    fn decode(bytes: &[u8], size: usize) -> Result<Vec<Frame>, SpdyError> {
        let mut decoder = Decoder::new();
        let mut frames = Vec::new();
        for piece in bytes.chunks(size) {
            decoder.feed(piece);
            while let Some(frame) = decoder.next_frame()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[test]
    fn frames_survive_any_cutting() {
        let mut encoder = Encoder::new();
        let first = headers(&[("streamtype", "error"), ("port", "80"), ("requestid", "0")]);
        let second = headers(&[("streamtype", "data"), ("port", "80"), ("port", "81")]);
        let mut bytes = encoder.syn_stream(1, &first, false).expect("encoded");
        bytes.extend(encoder.syn_stream(3, &second, true).expect("encoded"));
        bytes.extend(encoder.syn_reply(1, &Headers::new(), false).expect("encoded"));
        bytes.extend(Encoder::data(1, b"hello", true));
        bytes.extend(Encoder::data(3, b"", true));
        bytes.extend(Encoder::ping(7));
        bytes.extend(Encoder::reset(3, 5));
        bytes.extend(Encoder::go_away(3, 0));
        for size in [1, 2, 7, 4096] {
            let mut frames = decode(&bytes, size).expect("decoded");
            // Put the pieces of data together again.
            frames.dedup_by(|next, kept| match (kept, next) {
                (Frame::Data { stream: a, bytes: kept, fin }, Frame::Data { stream: b, bytes, fin: end })
                    if *a == *b =>
                {
                    *kept = [kept.as_ref(), bytes.as_ref()].concat().into();
                    *fin |= *end;
                    true
                }
                _ => false,
            });
            let expected = vec![
                Frame::SynStream { stream: 1, headers: first.clone(), fin: false, unidirectional: false },
                Frame::SynStream { stream: 3, headers: second.clone(), fin: true, unidirectional: false },
                Frame::SynReply { stream: 1, headers: Headers::new(), fin: false },
                Frame::Data { stream: 1, bytes: Bytes::from_static(b"hello"), fin: true },
                Frame::Data { stream: 3, bytes: Bytes::new(), fin: true },
                Frame::Ping(7),
                Frame::Reset { stream: 3, status: 5 },
                Frame::GoAway { last_stream: 3, status: 0 },
            ];
            assert_eq!(frames, expected, "pieces of {size}");
        }
    }

    #[test]
    fn many_headers_share_one_compression_context() {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        for number in 0..500_u32 {
            let wanted = headers(&[("streamtype", "data"), ("requestid", &number.to_string())]);
            decoder.feed(&encoder.syn_stream(number, &wanted, false).expect("encoded"));
            let frame = decoder.next_frame().expect("decoded");
            assert_eq!(
                frame,
                Some(Frame::SynStream { stream: number, headers: wanted, fin: false, unidirectional: false })
            );
        }
    }

    #[test]
    fn bad_input_is_an_error() {
        let check = |bytes: &[u8], expected: SpdyError| assert_eq!(decode(bytes, 4096), Err(expected));
        check(&[0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1], SpdyError::Version(2));
        check(&[0x80, 3, 0, 1, 0, 0xff, 0, 0], SpdyError::TooLong(0xff_0000));
        check(&[0x80, 3, 0, 6, 0, 0, 0, 2, 0, 0], SpdyError::Short(6));
        check(&[0x80, 3, 0, 2, 0, 0, 0, 6, 0, 0, 0, 1, 9, 9], SpdyError::Headers("cannot be inflated"));
        check(&[0x80, 3, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1], SpdyError::Headers("is malformed"));
    }
}
