"""Train the network: a script for SageMaker's PyTorch estimator (script mode)."""

import argparse
import json
import os

import numpy as np
import torch
from network import network


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=0.02)
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    arguments = parser.parse_args()

    torch.manual_seed(0)
    table = np.loadtxt(os.path.join(arguments.train, "train.csv"), delimiter=",", dtype=np.float32)
    x, y = torch.from_numpy(table[:, :-1]), torch.from_numpy(table[:, -1]).long()
    model = network(arguments.hidden)
    optimizer = torch.optim.Adam(model.parameters(), lr=arguments.learning_rate)
    for epoch in range(1, arguments.epochs + 1):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if epoch % 10 == 0:
            print(f"epoch {epoch}: train_loss={loss.item():.4f}", flush=True)

    torch.save(model.state_dict(), os.path.join(arguments.model_dir, "model.pt"))
    with open(os.path.join(arguments.model_dir, "network.json"), "w") as file:
        json.dump({"hidden": arguments.hidden}, file)


if __name__ == "__main__":
    main()
