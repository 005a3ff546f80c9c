"""What several studies share: how networks of trained sizes are made, checked and drawn."""
