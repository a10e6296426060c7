"""Task `ground_truth@1`: does a dictionary find the features of a world whose features are known?"""
