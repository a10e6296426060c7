"""`ravel@1`: does a set of latents carry one attribute of an entity and leave the others alone?"""
