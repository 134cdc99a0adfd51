"""What results say: what mattered, what early stopping did, how studies compare; as Arrow tables and values."""
