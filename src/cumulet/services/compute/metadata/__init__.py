"""What a guest may know of itself: the metadata service's two trees, and the same on a config drive."""

from cumulet.introduction import Introduction

INTRODUCTION = Introduction("metadata", 8775, local=True)
