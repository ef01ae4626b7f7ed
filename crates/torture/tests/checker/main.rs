//! The checker of histories, on histories made by hand and by chance.

mod batches;
mod by_chance;
mod by_hand;
mod history;
mod naive;
mod unanswered;
