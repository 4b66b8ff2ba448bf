"""Everything that runs in Lambda; this folder and its locked requirements are the one zip."""
