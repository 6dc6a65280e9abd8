"""From anybody's photograph to the crop and the camera that EG3D's face models were trained with.

detector     faces and their five points, by InsightFace
points       points that a person has marked
cropping     the square around them
conventions  how published ONNX networks want to be fed, and what they say
networks     68 landmarks and the pose of the head, from such networks
shapes       where the points of a mean face lie in the world
pose         the camera from points and angles
estimation   the camera of a face, by the best of these
calibration  what is known of an estimator's errors
labelled     estimates where cameras are known, to find these errors
alignment    all of it for one photograph
overlay      what a person looks at
records      the files of one photograph
batch        many photographs
tools        what a user chose, and the aligner that it makes
"""
