"""The pipeline: prepare → train → evaluate → serve → web-ui.

python pipeline.py --image REGION-docker.pkg.dev/PROJECT/mnist/steps:1 --serving-image …/mnist/serving:1

writes pipeline.yaml, which `npx mlt kubeflow submit pipeline.yaml` starts. `python run_local.py` runs the same steps on
this machine. What the steps do is in the folder mnist/, which the images hold.
"""

import argparse
import re

# No postponed annotations here: KFP reads the components' types as they are.
from pathlib import Path
from typing import NamedTuple

from kfp import compiler, dsl

STEPS = 300
RATE = 0.002
BATCH = 64
# No step installs anything when it runs: what it needs is in its image, locked.
STEP = {"install_kfp_package": False}
Outcome = NamedTuple("Outcome", [("accuracy", float), ("address", str)])


def steps(image: str):
    """The components, each run in `image`."""

    @dsl.component(base_image=image, **STEP)
    def prepare(bucket_path: str, train: dsl.Output[dsl.Dataset], test: dsl.Output[dsl.Dataset]):
        """MNIST from the bucket, or the stand-in where no path is given."""
        from mnist import data

        for part, digits in zip((train, test), data.load(bucket_path)):
            digits.save(part.path)
            part.metadata.update(images=len(digits.y), origin=digits.origin, stand_in=digits.stand_in)
            print(f"{len(digits.y)} images from {digits.origin}")

    @dsl.component(base_image=image, **STEP)
    def train(
        images: dsl.Input[dsl.Dataset],
        train_steps: int,
        learning_rate: float,
        batch_size: int,
        model: dsl.Output[dsl.Model],
        metrics: dsl.Output[dsl.Metrics],
    ):
        """A small convolutional network, on a GPU where the step has one."""
        from mnist import data, network, record

        for name, value, good in (
            ("train-steps", train_steps, 1 <= train_steps <= 1_000_000),
            ("learning-rate", learning_rate, 0 < learning_rate <= 1),
            ("batch-size", batch_size, 1 <= batch_size <= 4096),
        ):
            if not good:
                limits = {"train-steps": "1 to 1,000,000", "learning-rate": "over 0, up to 1", "batch-size": "1 to 4,096"}
                raise ValueError(f"{name} must be {limits[name]}; got {value}")
        digits = data.Digits.load(images.path)
        weights, loss = network.train(
            digits.x, digits.y, steps=train_steps, learning_rate=learning_rate, batch_size=batch_size
        )
        about = {
            "origin": digits.origin,
            "stand_in": digits.stand_in,
            "train_steps": train_steps,
            "learning_rate": learning_rate,
            "batch_size": batch_size,
        }
        network.save(model.path, weights, about)
        model.metadata.update(about)
        metrics.log_metric("loss", round(loss, 5))
        record.keep(metrics)

    @dsl.component(base_image=image, **STEP)
    def evaluate(
        images: dsl.Input[dsl.Dataset],
        model: dsl.Input[dsl.Model],
        metrics: dsl.Output[dsl.Metrics],
        confusion: dsl.Output[dsl.ClassificationMetrics],
    ) -> float:
        """The share of test images that the model is right about."""
        from mnist import data, network, record

        digits = data.Digits.load(images.path)
        weights, _ = network.load(model.path)
        counts = network.confusion(weights, digits.x, digits.y)
        accuracy = sum(counts[digit][digit] for digit in range(10)) / len(digits.y)
        metrics.log_metric("accuracy", round(accuracy, 5))
        metrics.log_metric("images", len(digits.y))
        confusion.log_confusion_matrix([str(digit) for digit in range(10)], counts)
        record.keep(metrics, confusion)
        print(f"accuracy {accuracy:.4f} on {len(digits.y)} images from {digits.origin}")
        return accuracy

    @dsl.component(base_image=image, **STEP)
    def serve(model: dsl.Input[dsl.Model], accuracy: float, image: str) -> str:
        """The model answers over HTTP, and goes on after the run."""
        from mnist import deploy, network

        weights, about = network.load(model.path)
        files = {"model.npz": network.packed(weights, about | {"accuracy": accuracy})}
        address = deploy.start("serving", files, ["/served/model.npz"], image)
        print(f"the model answers at {address}/v1/predict")
        return address

    @dsl.component(base_image=image, **STEP)
    def web_ui(images: dsl.Input[dsl.Dataset], serving: str, image: str) -> str:
        """The page that asks the model; shows test images, too."""
        from mnist import data, deploy

        files = {"examples.npz": data.Digits.load(images.path).first(500).packed()}
        address = deploy.start("web-ui", files, ["/served/examples.npz", serving], image)
        print(f"the page is at {address}; from elsewhere: npx mlt kubeflow open web-ui")
        return address

    return prepare, train, evaluate, serve, web_ui


def pipeline(image: str, serving_image: str, gpu: bool = False):
    """The pipeline with these images; `gpu`: the training asks for one."""
    prepare, train, evaluate, serve, web_ui = steps(image)

    @dsl.pipeline(
        name="mnist",
        description="Trains a network that reads handwritten digits, serves it, and shows it on a page.",
    )
    def mnist(
        train_steps: int = STEPS, learning_rate: float = RATE, batch_size: int = BATCH, bucket_path: str = ""
    ) -> Outcome:
        data = prepare(bucket_path=bucket_path)
        sized(data)
        training = train(
            images=data.outputs["train"], train_steps=train_steps, learning_rate=learning_rate, batch_size=batch_size
        )
        sized(training, cpu=("500m", "2"), memory=("768Mi", "2Gi"))
        if gpu:
            training.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(1)
        test = evaluate(images=data.outputs["test"], model=training.outputs["model"])
        sized(test)
        # What runs afterwards is no output that could come from the cache: both start something each time.
        served = serve(model=training.outputs["model"], accuracy=test.outputs["Output"], image=serving_image)
        sized(served).set_caching_options(False)
        page = web_ui(images=data.outputs["test"], serving=served.output, image=serving_image)
        sized(page).set_caching_options(False)
        page.set_display_name("web-ui")
        return Outcome(accuracy=test.outputs["Output"], address=page.output)

    return mnist


def sized(task, cpu=("100m", "1"), memory=("256Mi", "1Gi")):
    return (
        task.set_cpu_request(cpu[0]).set_cpu_limit(cpu[1]).set_memory_request(memory[0]).set_memory_limit(memory[1])
    )


def image_name(text: str) -> str:
    """An image with a tag of its own: a tag that moves would let the cache answer for code that is gone."""
    if not re.fullmatch(r"[\w.-]+(:\d+)?(/[\w.-]+)+(:[\w.-]+|@sha256:[0-9a-f]{64})", text) or text.endswith(":latest"):
        raise argparse.ArgumentTypeError(
            f"an image is named with its registry and a tag of its own (not latest), or a digest; got {text}"
        )
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description="Compiles the pipeline")
    parser.add_argument("--image", type=image_name, required=True, help="the steps' image")
    parser.add_argument("--serving-image", type=image_name, required=True, help="the image of model and page")
    parser.add_argument("--gpu", action="store_true", help="the training asks for a GPU")
    parser.add_argument("--output", type=Path, default=Path("pipeline.yaml"))
    options = parser.parse_args()
    compiler.Compiler().compile(
        pipeline(options.image, options.serving_image, options.gpu), package_path=str(options.output)
    )
    print(options.output)


if __name__ == "__main__":
    main()
