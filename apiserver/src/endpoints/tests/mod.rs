//! The endpoints over the memory storage: a contract for every row of the table, and the details of each verb.

mod contract;
mod lists;
mod samples;
mod watches;
mod world;
mod writes;
