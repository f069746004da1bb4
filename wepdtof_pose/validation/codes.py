"""The codes of what `validate` finds: severity, title and remedy of each kind of problem."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Code(NamedTuple):
    """A kind of problem: how bad it is, what it is, what to do, and whether --fix does it."""

    severity: Severity
    title: str
    fix: str
    repaired: bool = False


CODES: dict[str, Code] = {
    "json": Code(
        "error",
        "file that is no annotation file, or no JSON",
        "a file of another format: 'wepdtof-pose convert' first; else export or download it again",
    ),
    "structure": Code(
        "error",
        "entry that does not have the form of annotations/schema.json",
        "correct the field; --fix reads what has one reading ('160' is 160, 1.0 is 1, [x, y, v] "
        "in lists) and leaves the rest, --drop takes out what no reader takes",
        True,
    ),
    "category": Code(
        "error",
        "file whose categories do not say which joints there are",
        "list the joint names in 'keypoints' of the category of people, in the file's order; where "
        "several categories have joints, --category NAME says which are people",
    ),
    "joints-differ": Code(
        "error",
        "annotation files of one data set that name different joints: no command reads both",
        "convert them to one keypoint set ('wepdtof-pose convert --keypoints SET'), each by itself",
    ),
    "joint-sides": Code(
        "warning",
        "joints that are called left or right, or numbered, and have no opposite: mirrored views "
        "keep them",
        "call them left_x and right_x, or add 'flip_pairs' (counted from 1) to the category",
    ),
    "skeleton": Code(
        "warning",
        "skeleton that is not pairs of joint numbers counted from 1: other programs may refuse it",
        "edges are for drawing only; --fix looks up joint names",
        True,
    ),
    "category-without-joints": Code(
        "error",
        "annotation with joints whose category names none, and so is never read",
        "set category_id to the id of the category that names the joints (Roboflow lists an empty "
        "placeholder first), or name the joints in that category",
    ),
    "category-unknown": Code(
        "error",
        "person of a category that is not listed, and so is never read",
        "set category_id to the id of the category that names the joints; --fix does where '1' can "
        "only stand for 1, or where one category is listed and everybody has one other id",
        True,
    ),
    "nobody": Code(
        "error",
        "file whose annotations are all of other categories than people's: no command reads it",
        "set category_id to the id of the category that names the joints, or say which category is "
        "people with --category NAME",
    ),
    "no-images": Code(
        "error",
        "data set without any image: no command makes anything of it",
        "list the images in 'images'; export it again where it has some",
    ),
    "crowds-alone": Code(
        "warning",
        "file of crowd regions alone: nobody is trained on, tested or scored",
        "set iscrowd to 0 where an annotation is of one person",
    ),
    "units-shares": Code(
        "error",
        "coordinates that are shares of the image, not pixels",
        "multiply x and width by the width of the image, y and height by its height",
    ),
    "units-per-cent": Code(
        "error",
        "boxes, or boxes and joints, in per cent or thousandths of the image, not in pixels",
        "multiply x and width by the width of the image, y and height by its height, and divide by "
        "100 or 1,000 (per cent are Label Studio's: wepdtof-pose convert --from label_studio reads "
        "its own export)",
    ),
    "units-multiplied": Code(
        "error",
        "boxes of all people far larger than their images",
        "convert the original file again: labels in pixels were read as shares of the image "
        "(YOLO's unit); else divide x by the width of the image, y by its height",
    ),
    "units-corners": Code(
        "error",
        "boxes given by two corners, not by corner, width and height",
        "take x1 from x2 and y1 from y2: [x1, y1, x2 - x1, y2 - y1]",
    ),
    "units-boxes": Code(
        "error",
        "boxes of all people in another form than x, y, width, height",
        "write x and y of the upper left corner, width and height, in the pixels that the joints "
        "are in; where labels in YOLO's form were converted, give those the centre first, and "
        "convert them again",
    ),
    "units-joints": Code(
        "error",
        "joints of all people in another frame than that of the image",
        "write x, then y, in pixels of the whole image: exchange the two, or add x and y of the "
        "box (shares of it times its sides)",
    ),
    "units-visibility": Code(
        "error",
        "joints whose third numbers are neither visibilities nor scores",
        "write x, then y, in pixels, then 0 (not labelled), 1 (hidden) or 2 (visible) for each "
        "joint: leave out z, and do not list all x first",
    ),
    "units-rotated": Code(
        "error",
        "rotated boxes of all people elsewhere than their plain boxes",
        "write cx, cy (the centre, in pixels), w, h and the angle: not a corner, two corners or "
        "shares of the image",
    ),
    "angles-radians": Code(
        "warning",
        "angles of rotated boxes in radians",
        "multiply the angles by 180 / pi: ours are degrees, clockwise from the vertical",
    ),
    "angles-mirrored": Code(
        "warning",
        "angles of rotated boxes that disagree with the direction from the image centre",
        "turn the sign of the angles where they count counter-clockwise (as LOAF's do), or take 90 "
        "off where they count from the horizontal: ours are clockwise from the vertical, of boxes "
        "that are as high as people are long; look with 'wepdtof-pose visualize'",
    ),
    "image-id-repeated": Code(
        "error",
        "image id used twice",
        "give each image its own id; --fix takes out entries that are equal in all fields and "
        "numbers those anew on which nobody is",
    ),
    "image-unknown": Code(
        "error",
        "person on an image that is not listed",
        "add the image to 'images'; --fix finds it where '001', or the name of its file, can stand "
        "for one image only, --drop drops the person",
        True,
    ),
    "person-id-repeated": Code(
        "error",
        "annotation id used twice: pycocotools keeps only the last of them",
        "number the annotations anew; --fix gives the later ones new ids",
        True,
    ),
    "person-id-missing": Code(
        "error",
        "annotation without an id: pycocotools stops with KeyError",
        "number the annotations from 1; --fix does",
        True,
    ),
    "person-id-zero": Code(
        "warning",
        "annotation id 0: pycocotools counts a match with it as no match, so AP drops",
        "number the annotations from 1; --fix gives a new id",
        True,
    ),
    "coco-fields": Code(
        "warning",
        "person without 'iscrowd' or 'category_id': pycocotools stops with KeyError",
        "our readers take 0 and the category that names the joints; --fix writes them",
        True,
    ),
    "not-writable": Code(
        "error",
        "other field with NaN or half a character: no converter can write it",
        "correct it; --fix writes null and \\ud800 instead",
        True,
    ),
    "not-finite": Code(
        "error",
        "NaN, infinite or enormous number",
        "correct it; --fix makes such joints not labelled and rebuilds such boxes and areas",
        True,
    ),
    "keypoint-count": Code(
        "error",
        "keypoints of the wrong length",
        "give three numbers for each joint of the category; --fix reads x, y without visibility "
        "where all have that and no other field says what is seen, and leaves the rest",
        True,
    ),
    "visibility": Code(
        "error",
        "visibility that is not 0, 1 or 2",
        "0 not labelled, 1 hidden, 2 visible; --fix takes what is above 0 as 2, else 0, and AI "
        "Challenger's 1 visible, 2 hidden, 3 absent as what they mean there",
        True,
    ),
    "visibility-unsaid": Code(
        "error",
        "joints that have places, but none of which is labelled: all visibilities are 0 or less",
        "write 2 for joints that are labelled and seen, 1 for hidden ones: as it is, nobody can be "
        "learned from or tested on",
    ),
    "box-missing": Code(
        "error",
        "person without a box: pycocotools stops with KeyError",
        "draw the box; --fix takes the extent of the labelled joints, --drop drops who has none",
        True,
    ),
    "box-empty": Code(
        "error",
        "box without width or height: nobody is cut out, trained on or scored",
        "draw the box; --fix turns one with negative sides, else takes the extent of the labelled "
        "joints, --drop drops who has none",
        True,
    ),
    "box-outside": Code(
        "error",
        "box that lies wholly outside its image",
        "check units and image; --fix takes the extent of the labelled joints, --drop drops who "
        "has none",
        True,
    ),
    "box-small": Code(
        "warning",
        "box of which a pixel or less is in its image: nobody is cut out, trained on or scored",
        "draw the box around the whole person; where a tool made an annotation of each joint, "
        "export one of each person",
    ),
    "box-over-edge": Code(
        "warning",
        "box that reaches over the edge of its image",
        "harmless: readers cut it to the image",
    ),
    "joint-outside-image": Code(
        "warning",
        "labelled joint outside its image",
        "label it 0; --fix moves joints at most 2 pixels outside onto the edge, --drop makes the "
        "others not labelled",
        True,
    ),
    "joint-nowhere": Code(
        "warning",
        "labelled joint at 0, 0 or at -1, -1, where programs put joints that are missing",
        "label it 0 where it is missing",
    ),
    "joint-outside-box": Code(
        "warning",
        "visible joint a tenth of the box outside its box, or a hidden one half of it",
        "check that box and joints are of one person; the crop of training may miss the joint",
    ),
    "num-keypoints": Code(
        "error",
        "num_keypoints missing or wrong",
        "count the joints with visibility above 0; --fix does, but for people without any",
        True,
    ),
    "area-missing": Code(
        "error",
        "person or crowd region without an area: pycocotools stops with KeyError, or AP is 0",
        "convert, or --fix: 0.53 x width x height, as in the released evaluation",
        True,
    ),
    "area-not-positive": Code(
        "error",
        "area of 0 or less: OKS is 0 and AP is 0, or -1 where the area is negative",
        "--fix: 0.53 x width x height, as in the released evaluation",
        True,
    ),
    "area-doubtful": Code(
        "warning",
        "area above that of the box, or below a hundredth of it: OKS is too kind or too strict",
        "check the unit of 'area' (square pixels of this image)",
    ),
    "rotated-box": Code(
        "warning",
        "rotated box that is wider than high, or turned by more than 180 degrees",
        "w <= h and an angle in [-180, 180]; exchange the sides and turn by 90 degrees; --fix does",
        True,
    ),
    "rotated-box-empty": Code(
        "warning",
        "rotated box without width or height: the plain box is used in its place",
        "draw it, or remove the entry 'rotated_box'",
        False,
    ),
    "sides-exchanged": Code(
        "warning",
        "left and right are exchanged with high probability",
        "look at the person with 'wepdtof-pose visualize'",
    ),
    "track-repeated": Code(
        "error",
        "track id used by several people of one image",
        "never key on (image, track id); only the pictures tell which of them it is",
    ),
    "people-alike": Code(
        "warning",
        "two people of an image with nearly the same pose: one is counted as a miss",
        "keep one of them; --drop drops exact copies",
    ),
    "box-repeated": Code(
        "warning",
        "two people of an image with exactly the same box",
        "keep one of them; --drop drops exact copies",
    ),
    "file-name": Code(
        "error",
        "file name that no file can have, or that leads out of the image folder",
        "rename the image in 'images'",
    ),
    "file-name-repeated": Code(
        "warning",
        "one file listed as several images of a split",
        "merge the entries, or some of the people will be taken for background",
    ),
    "file-name-case": Code(
        "warning",
        "file names that differ only in upper and lower case",
        "rename one: on Windows and macOS they are one file",
    ),
    "file-name-leak": Code(
        "error",
        "one file listed in several splits",
        "take it out of one of them: test scores are too high",
    ),
    "copy-leak": Code(
        "warning",
        "copies that Roboflow made of one picture in several splits",
        "keep each picture's copies in one split, or test scores are too high (training leaves out "
        "those of tested pictures); names that many pictures have may be given anew",
    ),
    "image-missing": Code("error", "image file that is not there", "copy it to the image folder"),
    "image-unreadable": Code("error", "file that is no readable image", "download it again"),
    "image-truncated": Code("error", "image file that is cut short", "download it again"),
    "image-size": Code(
        "error",
        "width or height that are not those of the file",
        "joints and image may not belong together; --fix --images moves the joints along where the "
        "image was resized or turned by EXIF, and leaves the rest",
        True,
    ),
    "image-orientation": Code(
        "warning",
        "image with an EXIF orientation: it is read upright, other programs may not turn it",
        "check that boxes and joints are of the upright view ('wepdtof-pose visualize'); else turn "
        "them, or store the image turned",
    ),
    "image-repeated": Code(
        "warning", "files of one split with the same content", "keep one of them"
    ),
    "image-leak": Code(
        "error",
        "files of different splits with the same content",
        "take it out of one of them: test scores are too high",
    ),
}
"""All codes, in the order in which they are shown."""
