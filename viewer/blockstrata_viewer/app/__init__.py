"""The Textual app: screens, actions, workers."""
