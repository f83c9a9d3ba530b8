"""Data sets prepared once: array_record shards of `tf.train.Example`s in the folders of tensorflow-datasets."""
