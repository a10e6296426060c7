"""What people look at: the table of a comparison and the leaderboard page. Reads results, computes nothing."""
