"""The words: messages, their encoding, and the codes. Imports nothing but `errors`, so that the client stays light."""
