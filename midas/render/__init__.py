"""Results as JSON documents and as tables for people; only words and layout, no arithmetic."""
