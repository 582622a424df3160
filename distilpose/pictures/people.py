"""People down, views across: skeleton, attention and what the head draws of one joint, without a word on it."""

import numpy as np

from distilpose.data.skeleton import Skeleton
from distilpose.pictures.crops import enlarged
from distilpose.pictures.joint import joint_picture
from distilpose.pictures.maps import attention_picture, telling_joints
from distilpose.pictures.palette import Image
from distilpose.pictures.scene import Scene, in_pixels
from distilpose.pictures.skeleton import skeleton_picture

HEIGHT = 192
VIEWS = "views"  # the PNG text that names the columns, which are equally wide


def people_grid(scene: Scene, skeleton: Skeleton) -> tuple[Image, tuple[str, ...]]:
    """Return a column for each view that the model has, each as wide, and their names."""
    joint = telling_joints(skeleton, 2)[-1]
    name = skeleton.names[joint]
    spoken = name.replace("_", " ")
    people = []
    views: dict[str, Image] = {}
    for person in range(len(scene.crops)):
        crop = enlarged(scene.crops[person], HEIGHT)
        points, truth = in_pixels(crop, scene.points[person], scene), in_pixels(crop, scene.truth[person], scene)
        scores = None if scene.scores is None else scene.scores[person]
        views = {"skeleton": skeleton_picture(crop, points, scores, skeleton, truth)}
        if scene.attention is not None:
            attention = scene.attention[person, joint].reshape(scene.grid)
            views[f"attention: {spoken}"] = attention_picture(crop, attention, points[joint], truth[joint], name=name)
        if scene.draws:
            views[f"{scene.name}: {spoken}"] = joint_picture(crop, scene, person, joint, name)
        people.append(np.concatenate(list(views.values()), axis=1))
    return np.concatenate(people), tuple(views)
