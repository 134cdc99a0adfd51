"""A driver session: it assigns trials, takes reports, decides, and writes the tables. Without Ray and Keras."""
