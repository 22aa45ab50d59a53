"""Records in the files of the tools that people keep their numbers in: TensorBoard, MLflow, Weights & Biases.

Each is written by its own library, which is an extra (`farandole[tensorboard]`, `[mlflow]`, `[wandb]`). Nothing is sent
anywhere: event files, a file store, an offline folder.
"""
