"""What people conclude: decisions, taking them back, second looks, appeals, and an operator's own history."""
