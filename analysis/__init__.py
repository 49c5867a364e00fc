"""From records to estimates, figures and the report; nothing here runs an engine or prints."""
