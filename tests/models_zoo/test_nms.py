"""Non-maximum suppression in plain PyTorch, against its definition."""

import torch

from models_zoo.torchvision_mend import nms


def test_overlapping_box_of_lower_score_goes() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]])
    scores = torch.tensor([0.5, 0.9, 0.7])
    assert nms(boxes, scores, 0.5).tolist() == [1, 2]
    assert nms(boxes, scores, 0.7).tolist() == [1, 2, 0]  # their overlap is 81 / 119


def test_no_boxes() -> None:
    kept = nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert kept.shape == (0,) and kept.dtype == torch.int64


def test_a_dropped_box_drops_no_other() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.3).tolist() == [0, 2]


def test_a_box_whose_corners_are_the_wrong_way_round_overlaps_nothing() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [9, 9, 1, 1], [5, 5, 5, 5], [5, 5, 5, 5]])
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7, 0.6]), 0.3).tolist() == [0, 1, 2, 3]
