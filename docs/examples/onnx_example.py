"""Joints of one person by an exported model: python onnx_example.py MODEL.onnx PICTURE.jpg X Y WIDTH HEIGHT"""

import json
import sys

import cv2
import numpy as np
import onnxruntime

model, picture, *box = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
notes = session.get_modelmeta().custom_metadata_map
_, _, height, width = session.get_inputs()[0].shape
x, y, w, h = map(float, box)
scale = 1.25 * max(w / width, h / height)  # pixels of the picture in one of the crop: the box, grown to its shape
left, top = x + w / 2 - scale * width / 2, y + h / 2 - scale * height / 2
matrix = np.array([[1 / scale, 0, -left / scale], [0, 1 / scale, -top / scale]])
crop = cv2.warpAffine(cv2.cvtColor(cv2.imread(picture), cv2.COLOR_BGR2RGB), matrix, (width, height))
image = (crop / 255 - json.loads(notes["mean"])) / json.loads(notes["std"])
keypoints, scores = session.run(["keypoints", "scores"], {"images": image.transpose(2, 0, 1)[None].astype(np.float32)})
for (u, v), score in zip(keypoints[0], scores[0], strict=True):
    print(f"{left + u * width * scale:.2f} {top + v * height * scale:.2f} {score:.3f}")
