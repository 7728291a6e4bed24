"""A network of one hidden layer that learns exclusive-or in plain Python, seeded; it goes on from its checkpoint."""

import json
import math
import os
import random
import struct
import time

import ml_training_checkpoint as checkpoint

HIDDEN = 6
EPOCHS = int(os.environ["EPOCHS"])


def main() -> None:
    chance = random.Random(7)
    found = checkpoint.latest("state.json")
    if found is None:
        epoch, weights = 0, [chance.uniform(-1, 1) for _ in range(HIDDEN * 4 + 1)]
    else:
        state = json.loads(found.read_text())
        epoch, weights = state["epoch"], [float.fromhex(weight) for weight in state["weights"]]
        chance.setstate((state["chance"][0], tuple(state["chance"][1]), state["chance"][2]))
    with open(os.path.join(os.environ["OUTPUT_DIR"], "epochs"), "ab", buffering=0) as begun:
        while epoch < EPOCHS:
            begun.write(b".")
            for _ in range(8):
                learn(weights, chance)
            epoch += 1
            state = {
                "epoch": epoch,
                "weights": [weight.hex() for weight in weights],
                "chance": chance.getstate(),
            }
            checkpoint.save("state.json", json.dumps(state).encode())
            time.sleep(0.001 if epoch % 8 else 0.12)  # now and then a pause in which the folder rests
    with open(os.path.join(os.environ["OUTPUT_DIR"], "weights.bin"), "wb") as file:
        file.write(struct.pack(f"{len(weights)}d", *weights))


def learn(weights: list, chance: random.Random) -> None:
    a, b = chance.randint(0, 1), chance.randint(0, 1)
    hidden = [
        math.tanh(weights[3 * i] * a + weights[3 * i + 1] * b + weights[3 * i + 2]) for i in range(HIDDEN)
    ]
    out = HIDDEN * 3
    guess = 1 / (1 + math.exp(-sum(weights[out + i] * hidden[i] for i in range(HIDDEN)) - weights[out + HIDDEN]))
    error = guess - (a ^ b)
    for i in range(HIDDEN):
        back = error * weights[out + i] * (1 - hidden[i] ** 2)
        weights[out + i] -= 0.3 * error * hidden[i]
        for offset, value in enumerate((a, b, 1)):
            weights[3 * i + offset] -= 0.3 * back * value
    weights[out + HIDDEN] -= 0.3 * error


if __name__ == "__main__":
    main()
