"""Published files of any kind as named tensors: PyTorch checkpoints, CoreML models and npz archives."""
