//! A persistent map of objects ordered by path: clones cost nothing, a write copies one chunk.
//!
//! Lists take a clone and read it in peace. A write to a map that nobody else holds changes it in place; one
//! to a shared map copies the list of chunks and the chunk it touches, nothing more.

use std::sync::Arc;

use super::object::CachedObject;

/// A full chunk is split in two halves.
const LARGEST_CHUNK: usize = 128;

type Chunk = Vec<Arc<CachedObject>>;

/// See the module.
#[derive(Clone, Default)]
pub struct SortedMap {
    /// Never empty chunks, ordered.
    chunks: Arc<Vec<Arc<Chunk>>>,
    len: usize,
}

impl SortedMap {
    /// Builds the map of objects in any order; of several with one path the last wins.
    pub fn from_objects(mut objects: Vec<Arc<CachedObject>>) -> Self {
        if !objects.is_sorted_by(|left, right| left.path() < right.path()) {
            let mut map = SortedMap::default();
            for object in objects {
                map.insert(object);
            }
            return map;
        }
        let len = objects.len();
        let mut chunks = Vec::with_capacity(len / (LARGEST_CHUNK / 2) + 1);
        while !objects.is_empty() {
            let rest = objects.split_off(objects.len().min(LARGEST_CHUNK * 3 / 4));
            chunks.push(Arc::new(objects));
            objects = rest;
        }
        SortedMap { chunks: Arc::new(chunks), len }
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The chunk that holds `path` or would hold it.
    fn chunk_of(&self, path: &str) -> usize {
        let after =
            self.chunks.partition_point(|chunk| chunk.first().is_some_and(|first| first.path() <= path));
        after.saturating_sub(1)
    }

    fn position_in(chunk: &Chunk, path: &str) -> Result<usize, usize> {
        chunk.binary_search_by(|object| object.path().cmp(path))
    }

    /// The object with this path.
    pub fn get(&self, path: &str) -> Option<&Arc<CachedObject>> {
        let chunk = self.chunks.get(self.chunk_of(path))?;
        chunk.get(Self::position_in(chunk, path).ok()?)
    }

    /// Puts an object in; returns the one it replaces.
    pub fn insert(&mut self, object: Arc<CachedObject>) -> Option<Arc<CachedObject>> {
        let index = self.chunk_of(object.path());
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(chunk) = chunks.get_mut(index) else {
            chunks.push(Arc::new(vec![object]));
            self.len = 1;
            return None;
        };
        let chunk = Arc::make_mut(chunk);
        match Self::position_in(chunk, object.path()) {
            Ok(position) => Some(std::mem::replace(&mut chunk[position], object)),
            Err(position) => {
                chunk.insert(position, object);
                self.len += 1;
                if chunk.len() > LARGEST_CHUNK {
                    let upper = chunk.split_off(LARGEST_CHUNK / 2);
                    chunks.insert(index + 1, Arc::new(upper));
                }
                None
            }
        }
    }

    /// Takes an object out.
    pub fn remove(&mut self, path: &str) -> Option<Arc<CachedObject>> {
        let index = self.chunk_of(path);
        let position = Self::position_in(self.chunks.get(index)?, path).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(chunks.get_mut(index)?);
        let removed = chunk.remove(position);
        if chunk.is_empty() {
            chunks.remove(index);
        }
        self.len -= 1;
        Some(removed)
    }

    /// The objects from `start` (inclusive) on, in order.
    pub fn iter_from<'a>(&'a self, start: &str) -> impl Iterator<Item = &'a Arc<CachedObject>> {
        let index = self.chunk_of(start);
        let first =
            self.chunks.get(index).map_or(0, |chunk| Self::position_in(chunk, start).unwrap_or_else(|at| at));
        self.chunks.iter().skip(index).flat_map(|chunk| chunk.iter()).skip(first)
    }

    /// All objects in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<CachedObject>> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::object;
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn behaves_like_a_btree_and_clones_do_not_change() {
        let mut map = SortedMap::default();
        let mut model = BTreeMap::new();
        // A fixed pseudo-random walk over 600 paths.
        let mut seed = 12345u64;
        let mut frozen = None;
        for step in 0..6000u64 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let path = format!("ns/{:03}", (seed >> 33) % 600);
            if seed >> 20 & 3 == 0 {
                assert_eq!(map.remove(&path).map(|object| object.revision()), model.remove(&path));
            } else {
                let previous = map.insert(object(&path, step)).map(|object| object.revision());
                assert_eq!(previous, model.insert(path.clone(), step));
            }
            assert_eq!(map.len(), model.len());
            assert_eq!(map.get(&path).map(|object| object.revision()), model.get(&path).copied());
            if step == 3000 {
                frozen = Some((map.clone(), model.clone()));
            }
        }
        let (frozen_map, frozen_model) = frozen.unwrap();
        for (map, model) in [(map, model), (frozen_map, frozen_model)] {
            let seen: Vec<_> =
                map.iter().map(|object| (object.path().to_owned(), object.revision())).collect();
            assert_eq!(seen, model.clone().into_iter().collect::<Vec<_>>());
            for start in ["", "ns/000", "ns/2995", "ns/300", "zz"] {
                let seen: Vec<_> = map.iter_from(start).map(|object| object.path().to_owned()).collect();
                let expected: Vec<_> =
                    model.range(start.to_owned()..).map(|(path, _)| path.clone()).collect();
                assert_eq!(seen, expected, "from {start}");
            }
            let rebuilt = SortedMap::from_objects(map.iter().cloned().collect());
            assert_eq!(rebuilt.iter().count(), model.len());
            assert!(model.keys().all(|path| rebuilt.get(path).is_some()));
        }
    }
}
