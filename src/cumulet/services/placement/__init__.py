"""Placement: what each provider has, and who holds how much of it."""

from cumulet.introduction import Introduction

INTRODUCTION = Introduction("placement", 8778, project="placement", user="placement", prefix="/placement")
