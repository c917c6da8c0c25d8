//! What is read from small texts.
